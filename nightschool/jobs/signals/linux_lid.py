"""Whether the lid is closed, from Linux's input devices, logind and ACPI."""

from __future__ import annotations

import re
from pathlib import Path

from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.desktop.source_errors import SourceError
from nightschool.jobs.signals import logind
from nightschool.jobs.signals.signal import Signal, unknown

INPUT_DEVICES = Path("/proc/bus/input/devices")
ACPI = Path("/proc/acpi/button/lid")


def has_lid(devices: str) -> bool:
    """Whether an input device has the switch SW_LID, bit 0 of its switches (input-event-codes.h)."""
    switches = re.findall(r"^B: SW=.*?([0-9a-f]+)\s*$", devices, re.MULTILINE)
    return any(int(bits, 16) & 1 for bits in switches)


def read_lid(system: BusClient, devices: Path = INPUT_DEVICES, acpi: Path = ACPI) -> Signal[bool]:
    """Whether the lid is closed; also False without a lid."""
    try:
        if not has_lid(devices.read_text("utf-8", errors="replace")):
            return Signal(False, "kernel: no lid")
    except OSError:
        pass  # not Linux, or hidden from us
    try:
        return Signal(logind.lid_closed(system), "logind")
    except SourceError as error:
        remark = str(error)
    try:
        for path in acpi.glob("*/state"):
            return Signal("closed" in path.read_text("utf-8"), "ACPI")
    except OSError as error:
        remark += f"; {type(error).__name__}"
    return unknown("logind", remark)
