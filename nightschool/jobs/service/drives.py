"""Whether a folder is on a removable drive."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def removable_drive(folder: Path, sysfs: Path = Path("/sys")) -> str | None:
    """The name of the removable drive that holds `folder`, or None.

    Linux: the block device, or the one below an encrypted device, is removable or attached by USB.
    Windows: GetDriveType. macOS: it is mounted under /Volumes.
    """
    if sys.platform == "win32":
        import ctypes  # lazy: ctypes

        drive = os.path.splitdrive(folder)[0]
        return drive if ctypes.windll.kernel32.GetDriveTypeW(f"{drive}\\") == 2 else None
    if sys.platform == "darwin":
        return folder.parts[2] if folder.parts[1:2] == ("Volumes",) else None
    number = os.stat(folder).st_dev
    return _removable_block(sysfs / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}")


def _removable_block(link: Path) -> str | None:
    if not link.exists():  # a file system without a block device, such as NFS
        return None
    device = link.resolve()
    for flag in (device / "removable", device.parent / "removable"):
        if flag.is_file() and flag.read_text("ascii").strip() == "1":
            return device.name
    if any(part.startswith("usb") for part in device.parts):
        return device.name
    under = device / "slaves"
    slaves = sorted(under.iterdir()) if under.is_dir() else []
    return next(filter(None, map(_removable_block, slaves)), None)
