"""Mains power and battery charge on Linux, from the kernel and UPower."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jeepney import DBusAddress

from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.desktop.source_errors import SourceError
from nightschool.jobs.signals.signal import Signal, unknown

SUPPLIES = Path("/sys/class/power_supply")
UPOWER = DBusAddress(
    "/org/freedesktop/UPower",
    bus_name="org.freedesktop.UPower",
    interface="org.freedesktop.UPower",
)
_NO_BATTERY = "no battery"


@dataclass(frozen=True, slots=True)
class PowerSupply:
    """A folder of /sys/class/power_supply (Linux: Documentation/ABI/testing/sysfs-class-power)."""

    name: str
    kind: str
    online: bool | None
    status: str
    percent: float | None


def supplies(folder: Path = SUPPLIES) -> list[PowerSupply]:
    """Power supplies and batteries of the computer, without those of mice and keyboards."""
    listed = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        kind = _text(path / "type")
        if not kind or _text(path / "scope") == "Device" or _text(path / "present") == "0":
            continue
        online = _number(path / "online")
        percent = _percent(path) if kind == "Battery" else None
        listed.append(
            PowerSupply(
                path.name,
                kind,
                None if online is None else online > 0,
                _text(path / "status"),
                percent,
            )
        )
    return listed


def power(listed: list[PowerSupply]) -> tuple[Signal[bool], Signal[float]]:
    """`on_ac` and `battery` from the kernel's values."""
    batteries = [supply for supply in listed if supply.kind == "Battery"]
    if not batteries:
        return Signal(True, _NO_BATTERY), unknown(_NO_BATTERY, "this computer has none")
    return _on_ac([supply for supply in listed if supply.kind != "Battery"], batteries), _charge(
        batteries
    )


def _on_ac(adapters: list[PowerSupply], batteries: list[PowerSupply]) -> Signal[bool]:
    for adapter in adapters:
        if adapter.online:
            return Signal(True, f"kernel: {adapter.name} is online")
    if any(adapter.kind == "Mains" and adapter.online is False for adapter in adapters):
        return Signal(False, "kernel: no power supply is online")
    # A USB port that is not online proves nothing: the cable may be in a port without a folder.
    status = " and ".join(
        f"{battery.name} is {battery.status or 'silent'}" for battery in batteries
    )
    states = {battery.status for battery in batteries}
    if "Discharging" in states:
        return Signal(False, f"kernel: {status}")
    if states & {"Charging", "Full", "Not charging"}:
        return Signal(True, f"kernel: {status}")
    return unknown("kernel", f"{status}, and no power supply reports")


def _charge(batteries: list[PowerSupply]) -> Signal[float]:
    charged = [
        (battery.percent, battery.name) for battery in batteries if battery.percent is not None
    ]
    if not charged:
        return unknown("kernel", f"{batteries[0].name} does not report its charge")
    percent, name = min(charged)
    return Signal(percent, f"kernel: {name}")


def _percent(path: Path) -> float | None:
    """`capacity`, or else the remaining share of energy (Wh) or charge (Ah)."""
    percent = _number(path / "capacity")
    for unit in ("energy", "charge"):
        now, full = _number(path / f"{unit}_now"), _number(path / f"{unit}_full")
        if percent is None and now is not None and full:
            percent = 100 * now / full
    return None if percent is None else min(max(percent, 0.0), 100.0)


def _number(path: Path) -> float | None:
    try:
        return float(_text(path))
    except ValueError:
        return None


def _text(path: Path) -> str:
    """A file's only line; "" if it is absent or the driver does not answer."""
    try:
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""


def read_power(
    system: BusClient, folder: Path = SUPPLIES
) -> dict[str, Signal[bool] | Signal[float]]:
    """`on_ac` and `battery` from the kernel; UPower if that is unknown or a UPS may exist."""
    on_ac, battery = power(supplies(folder))
    if on_ac.value is None or on_ac.source == _NO_BATTERY:
        on_ac = _by_upower(system, on_ac)
    return {"on_ac": on_ac, "battery": battery}


def _by_upower(system: BusClient, kernel: Signal[bool]) -> Signal[bool]:
    try:
        on_battery = bool(system.get(UPOWER, "OnBattery", "b"))
    except SourceError as error:
        return (
            kernel if kernel.value is not None else unknown("kernel", f"{kernel.remark}; {error}")
        )
    if kernel.source == _NO_BATTERY and not on_battery:
        return kernel
    return Signal(not on_battery, "UPower")
