"""Removable drives, in a constructed sysfs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nightschool.jobs.service.drives import removable_drive


@pytest.mark.skipif(sys.platform != "linux", reason="sysfs is Linux'")
@pytest.mark.parametrize(
    ("device", "flag", "under", "expected"),
    [
        ("pci0000:00/nvme0/nvme0n1/nvme0n1p2", "0", None, None),
        ("pci0000:00/mmc_host/mmcblk0/mmcblk0p1", "1", None, "mmcblk0p1"),
        ("pci0000:00/usb2/2-1/block/sda/sda1", "0", None, "sda1"),
        ("virtual/block/dm-0", "0", "pci0000:00/usb2/2-1/block/sdb/sdb1", "sdb1"),
        ("virtual/block/dm-1", "0", "pci0000:00/nvme0/nvme0n1/nvme0n1p3", None),
    ],
    ids=["ssd", "card", "usb", "encrypted usb", "encrypted ssd"],
)
def test_removable_drive_is_detected(
    tmp_path: Path, device: str, flag: str, under: str | None, expected: str | None
) -> None:
    sysfs = tmp_path / "sys"
    folder = sysfs / "devices" / device
    folder.mkdir(parents=True)
    (folder.parent / "removable").write_text(flag)
    if under:
        (sysfs / "devices" / under).mkdir(parents=True)
        (folder / "slaves").mkdir()
        (folder / "slaves" / Path(under).name).symlink_to(sysfs / "devices" / under)
    number = os.stat(tmp_path).st_dev
    link = sysfs / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}"
    link.parent.mkdir(parents=True)
    link.symlink_to(folder)
    assert removable_drive(tmp_path, sysfs) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="sysfs is Linux'")
def test_file_system_without_a_drive_is_not_removable(tmp_path: Path) -> None:
    assert removable_drive(tmp_path, tmp_path / "no sysfs") is None
