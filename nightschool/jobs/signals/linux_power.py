"""Whether the computer is fed, and how full its battery is: Linux, from the kernel and UPower."""

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
class Supply:
    """A folder of /sys/class/power_supply (Linux: Documentation/ABI/testing/sysfs-class-power)."""

    name: str
    kind: str
    online: bool | None
    status: str
    percent: float | None


def supplies(folder: Path = SUPPLIES) -> list[Supply]:
    """What feeds the computer or stores power for it; not the batteries of mice and keyboards."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        kind = _text(path / "type")
        if not kind or _text(path / "scope") == "Device" or _text(path / "present") == "0":
            continue
        online = _number(path / "online")
        percent = _percent(path) if kind == "Battery" else None
        found.append(
            Supply(
                path.name,
                kind,
                None if online is None else online > 0,
                _text(path / "status"),
                percent,
            )
        )
    return found


def power(found: list[Supply]) -> tuple[Signal[bool], Signal[float]]:
    """`on_ac` and `battery`, as far as the kernel tells."""
    batteries = [supply for supply in found if supply.kind == "Battery"]
    if not batteries:
        return Signal(True, _NO_BATTERY), unknown(_NO_BATTERY, "this computer has none")
    return _fed([supply for supply in found if supply.kind != "Battery"], batteries), _charge(
        batteries
    )


def _fed(feeds: list[Supply], batteries: list[Supply]) -> Signal[bool]:
    for feed in feeds:
        if feed.online:
            return Signal(True, f"kernel: {feed.name} is online")
    if any(feed.kind == "Mains" and feed.online is False for feed in feeds):
        return Signal(False, "kernel: no supply is online")
    # A USB port that is not online tells nothing: the cable may be in a socket that has no folder.
    told = " and ".join(f"{battery.name} is {battery.status or 'silent'}" for battery in batteries)
    states = {battery.status for battery in batteries}
    if "Discharging" in states:
        return Signal(False, f"kernel: {told}")
    if states & {"Charging", "Full", "Not charging"}:
        return Signal(True, f"kernel: {told}")
    return unknown("kernel", f"{told}, and no supply tells")


def _charge(batteries: list[Supply]) -> Signal[float]:
    charged = [
        (battery.percent, battery.name) for battery in batteries if battery.percent is not None
    ]
    if not charged:
        return unknown("kernel", f"{batteries[0].name} does not tell its charge")
    percent, name = min(charged)
    return Signal(percent, f"kernel: {name}")


def _percent(path: Path) -> float | None:
    """`capacity`, else what is left of energy (Wh) or charge (Ah)."""
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
    """A file's only line; "" where it is not there, or the driver does not answer."""
    try:
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""


def read_power(
    system: BusClient, folder: Path = SUPPLIES
) -> dict[str, Signal[bool] | Signal[float]]:
    """`on_ac` and `battery`: the kernel's word; UPower's, where that is no answer or a UPS may be there."""
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
