"""The readings of macOS, from ioreg(8) and pmset(1).

The parsing is tested on recorded output; the commands were not run.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection

import psutil

from nightschool.jobs.desktop.source_errors import SourceError
from nightschool.jobs.signals.idle import smallest
from nightschool.jobs.signals.polling import NamedSignals, Pids, Reading, uptime_s
from nightschool.jobs.signals.session import by_login_records
from nightschool.jobs.signals.signal import Signal, unknown
from nightschool.jobs.signals.terminals import read_terminals

LIMIT_S = 0.8
_IOREG = ("/usr/sbin/ioreg", "-r", "-d", "1")
_PMSET = ("/usr/bin/pmset", "-g")
_ASSERTION = re.compile(
    r"^\s+pid (\d+)\((.+?)\): \[\w+\] [\d:]+ (PreventUserIdleDisplaySleep|NoDisplaySleepAssertion)\b",
    re.MULTILINE,
)


def hid_idle(ioreg: str) -> Signal[float]:
    """HIDIdleTime (nanoseconds) in the output of `ioreg -c IOHIDSystem`."""
    values = re.findall(r'"HIDIdleTime" = (\d+)', ioreg)
    if not values:
        return unknown("IOHIDSystem", "ioreg gives no HIDIdleTime")
    return Signal(min(int(value) for value in values) / 1e9, "IOHIDSystem")


def power(pmset: str) -> tuple[Signal[bool], Signal[float]]:
    """`on_ac` and `battery` from the output of `pmset -g batt`."""
    drawing = re.search(r"drawing from '(.+?)'", pmset)
    charges = [float(value) for value in re.findall(r"\t(\d+)%;", pmset)]
    source = "pmset -g batt"
    if drawing is None:
        on_ac: Signal[bool] = unknown(source, "pmset names no power source")
    else:
        on_ac = Signal(drawing[1] == "AC Power", f"{source}: {drawing[1]}")
    if charges:
        return on_ac, Signal(min(charges), source)
    if on_ac.value:
        return Signal(True, "no battery"), unknown("no battery", "this computer has none")
    return on_ac, unknown(source, "pmset names no battery")


def presenting(pmset: str, own_pids: Collection[int]) -> Signal[str]:
    """The first program of others that keeps the display on, from `pmset -g assertions`."""
    source = "pmset -g assertions"
    if "Assertion status" not in pmset:
        return unknown(source, "pmset lists no assertions")
    for pid, name, _ in _ASSERTION.findall(pmset):
        if int(pid) not in own_pids:
            return Signal(name, source)
    return Signal("", source)


def lid(ioreg: str) -> Signal[bool]:
    """From `ioreg -k AppleClamshellState`; a desktop computer has no such key."""
    match = re.search(r'"AppleClamshellState" = (Yes|No)', ioreg)
    return Signal(match[1] == "Yes", "ioreg") if match else Signal(False, "no lid")


def readings(own_pids: Pids) -> list[Reading]:
    """Readings of idle; of power; and of session, presenting and lid. Each starts short processes."""

    def read_idle() -> NamedSignals:
        own = hid_idle(_output(*_IOREG, "-c", "IOHIDSystem"))
        return {"idle_s": smallest([own, *read_terminals()], uptime_s())}

    def read_power() -> NamedSignals:
        on_ac, battery = power(_output(*_PMSET, "batt"))
        return {"on_ac": on_ac, "battery": battery}

    def read_slow() -> NamedSignals:
        return {
            "session": by_login_records(psutil.users()),
            "presenting": presenting(_output(*_PMSET, "assertions"), own_pids()),
            "lid_closed": lid(_output(*_IOREG, "-k", "AppleClamshellState")),
        }

    return [
        Reading(("idle_s",), read_idle, every_s=1.0, rest_s=1.0),
        Reading(("on_ac", "battery"), read_power, every_s=1.5, rest_s=1.5),
        Reading(("session", "presenting", "lid_closed"), read_slow, every_s=10.0),
    ]


def _output(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=LIMIT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceError(f"{command[0]}: {type(error).__name__}") from None
    return done.stdout
