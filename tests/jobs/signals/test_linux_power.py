"""Power from constructed kernel folders, and UPower on a private bus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.signals.linux_power import UPOWER, read_power
from nightschool.jobs.signals.signal import Signal
from tests.jobs.signals.peers import Peer

AC_ON = {"type": "Mains", "online": "1"}
AC_OFF = {"type": "Mains", "online": "0"}
USB_OFF = {"type": "USB", "online": "0"}
PHONE = {"type": "USB", "scope": "Device", "online": "1"}
KEYBOARD = {"type": "Battery", "scope": "Device", "status": "Discharging", "capacity": "20"}
FULL = {"type": "Battery", "present": "1", "status": "Full", "capacity": "100"}
EMPTYING = {"type": "Battery", "status": "Discharging", "capacity": "80"}
FILLING = {"type": "Battery", "status": "Charging", "capacity": "42"}
HELD = {"type": "Battery", "status": "Not charging", "capacity": "60"}
SILENT = {"type": "Battery", "status": "Unknown", "capacity": "50"}
NO_CAPACITY = {
    "type": "Battery",
    "status": "Full",
    "energy_now": "30000000",
    "energy_full": "40000000",
}
BAY = {"type": "Battery", "present": "0", "status": "Unknown"}


@pytest.fixture
def nowhere(short_path: Path) -> BusClient:
    return BusClient("system", f"unix:path={short_path / 'none'}")


def tree(folder: Path, *supplies: dict[str, str]) -> Path:
    for number, files in enumerate(supplies):
        path = folder / f"{files['type']}{number}"
        path.mkdir()
        for name, text in files.items():
            (path / name).write_text(f"{text}\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("supplies", "on_ac", "percent"),
    [
        ([AC_ON, FULL], True, 100),
        ([AC_OFF, EMPTYING], False, 80),
        ([AC_ON, EMPTYING], True, 80),  # a charger that is too weak
        ([AC_OFF, FILLING], False, 42),  # the plug was pulled just now
        ([AC_OFF, USB_OFF, EMPTYING], False, 80),
        ([AC_ON, FULL, EMPTYING], True, 80),
        ([EMPTYING, HELD], False, 60),  # two batteries, and no charger listed
        ([HELD, FILLING], True, 42),
        ([USB_OFF, FILLING], True, 42),
        ([USB_OFF, HELD], True, 60),
        ([AC_ON, KEYBOARD], True, None),
        ([KEYBOARD], True, None),
        ([KEYBOARD, EMPTYING], False, 80),
        ([PHONE, EMPTYING], False, 80),
        ([AC_OFF], True, None),  # a desktop computer without a battery
        ([AC_ON, BAY], True, None),
        ([], True, None),
        ([AC_ON, NO_CAPACITY], True, 75),
        ([SILENT], None, 50),
        ([USB_OFF, SILENT], None, 50),
        ([AC_ON, {"type": "Battery", "capacity": "garbage"}], True, None),
        ([AC_ON, {"type": "Battery", "capacity": "812"}], True, 100),
    ],
)
def test_power_supply_and_charge(
    tmp_path: Path,
    nowhere: BusClient,
    supplies: list[dict[str, str]],
    on_ac: bool | None,
    percent: float | None,
) -> None:
    power = read_power(nowhere, tree(tmp_path, *supplies))
    assert (power["on_ac"].value, power["battery"].value) == (on_ac, percent)
    for signal in power.values():
        assert signal.source
        assert signal.remark or signal.value is not None


def test_absent_battery_is_known(tmp_path: Path, nowhere: BusClient) -> None:
    power = read_power(nowhere, tmp_path / "no such folder")
    assert power["on_ac"] == Signal(True, "no battery")
    assert (power["battery"].source, power["battery"].remark) == (
        "no battery",
        "this computer has none",
    )


def test_sources_are_named(tmp_path: Path, nowhere: BusClient) -> None:
    power = read_power(nowhere, tree(tmp_path, AC_ON, FULL, HELD))
    assert power["on_ac"].source == "kernel: Mains0 is online"
    assert power["battery"].source == "kernel: Battery2"


@pytest.mark.parametrize(
    ("supplies", "on_battery", "expected"),
    [
        ([SILENT], True, Signal(False, "UPower")),
        ([SILENT], False, Signal(True, "UPower")),
        ([], True, Signal(False, "UPower")),  # powered by a UPS
        ([], False, Signal(True, "no battery")),
        ([AC_ON, FULL], True, Signal(True, "kernel: Mains0 is online")),
    ],
)
def test_upower_reports_if_the_kernel_does_not(
    tmp_path: Path, address: str, new_peer: Callable[..., Peer],
    supplies: list[dict[str, str]], on_battery: bool, expected: Signal[bool],
) -> None:  # fmt: skip
    new_peer(UPOWER.bus_name).answers[UPOWER.object_path, "OnBattery"] = ("b", (on_battery,))
    bus = BusClient("system", address)
    assert read_power(bus, tree(tmp_path, *supplies))["on_ac"] == expected
    bus.close()


def test_remark_of_unknown_power_names_the_sources(tmp_path: Path, address: str) -> None:
    bus = BusClient("system", address)
    power = read_power(bus, tree(tmp_path, SILENT))["on_ac"]
    assert power.remark == (
        "Battery0 is Unknown, and no power supply reports; org.freedesktop.UPower is not running"
    )
    bus.close()
