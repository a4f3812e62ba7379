"""The lid: its existence from the kernel, its state from logind or ACPI."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.signals.linux_lid import has_lid, read_lid
from nightschool.jobs.signals.signal import Signal
from tests.jobs.signals.peers import LOGIND, LOGIND_NAME, Peer

LAPTOP = """\
I: BusClient=0019 Vendor=0000 Product=0005 Version=0000
N: Name="Lid Switch"
P: Phys=PNP0C0D/button/input0
H: Handlers=event1
B: PROP=0
B: EV=21
B: SW=1

I: BusClient=0011 Vendor=0001 Product=0001 Version=ab54
N: Name="AT Translated Set 2 keyboard"
B: EV=120013
B: KEY=402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe
"""
DESKTOP = """\
N: Name="HDA Intel PCH Headphone"
B: EV=21
B: SW=4

N: Name="Power Button"
B: EV=3
"""


def test_lid_is_bit_0_of_the_switches() -> None:
    assert has_lid(LAPTOP)
    assert not has_lid(DESKTOP)
    assert has_lid("B: SW=1 3\n")
    assert not has_lid("")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    devices, acpi = tmp_path / "devices", tmp_path / "lid"
    devices.write_text(LAPTOP, encoding="utf-8")
    (acpi / "LID0").mkdir(parents=True)
    (acpi / "LID0" / "state").write_text("state:      closed\n", encoding="utf-8")
    return devices, acpi


def test_desktop_computer_has_no_lid(files: tuple[Path, Path], short_path: Path) -> None:
    files[0].write_text(DESKTOP, encoding="utf-8")
    assert read_lid(BusClient("system", "unix:path=/none"), *files) == Signal(
        False, "kernel: no lid"
    )


@pytest.mark.parametrize("closed", [True, False])
def test_logind_reports_the_lid(
    files: tuple[Path, Path], address: str, new_peer: Callable[..., Peer], closed: bool
) -> None:
    new_peer(LOGIND_NAME).answers[LOGIND, "LidClosed"] = ("b", (closed,))
    bus = BusClient("system", address)
    assert read_lid(bus, *files) == Signal(closed, "logind")
    bus.close()


def test_acpi_reports_the_lid_without_logind(files: tuple[Path, Path]) -> None:
    nowhere = BusClient("system", "unix:path=/none")
    assert read_lid(nowhere, *files) == Signal(True, "ACPI")
    reading = read_lid(nowhere, files[0], files[1] / "none")
    assert (reading.value, reading.source) == (None, "logind")
