"""Parsing of recorded output of macOS."""

from __future__ import annotations

import subprocess

import pytest

from nightschool.jobs.desktop.source_errors import SourceError
from nightschool.jobs.signals import macos
from nightschool.jobs.signals.signal import Signal

IOREG = """\
+-o IOHIDSystem  <class IOHIDSystem, id 0x100000404, registered, matched, active, busy 0 (0 ms), retain 40>
    {
      "HIDIdleTime" = 93541375083
      "CFBundleIdentifier" = "com.apple.iokit.IOHIDFamily"
      "HIDParameters" = {"HIDClickTime"=500000000,"HIDIdleTime" = 1}
      "IOClass" = "IOHIDSystem"
    }
"""
LAPTOP = """\
Now drawing from 'Battery Power'
 -InternalBattery-0 (id=5636195)\t67%; discharging; 4:31 remaining present: true
"""
FED = """\
Now drawing from 'AC Power'
 -InternalBattery-0 (id=5636195)\t100%; charged; 0:00 remaining present: true
"""
MAC_MINI = "Now drawing from 'AC Power'\n"
UPS = "Now drawing from 'UPS Power'\n -Back-UPS ES 700G (id=7)\t94%; discharging; (no estimate) present: true\n"
ASSERTIONS = """\
2026-11-20 23:05:11 +0100
Assertion status system-wide:
   BackgroundTask                 0
   PreventUserIdleDisplaySleep    1
   PreventUserIdleSystemSleep     1
Listed by owning process:
   pid 112(powerd): [0x00000003000180ff] 00:12:13 PreventUserIdleSystemSleep named: "Powerd - on AC"
   pid 4242(caffeinate): [0x0000000500058e4f] 01:02:03 PreventUserIdleDisplaySleep named: "x"
   pid 900(Google Chrome): [0x0000001200058f03] 00:00:42 PreventUserIdleDisplaySleep named: "Video Wake Lock"
Kernel Assertions: 0x4=USB
"""


def test_idle_is_the_smallest_time_in_nanoseconds() -> None:
    recorded = IOREG.replace(',"HIDIdleTime" = 1', "")
    assert macos.hid_idle(recorded) == Signal(93.541375083, "IOHIDSystem")
    assert macos.hid_idle(IOREG).value == 1e-9
    assert macos.hid_idle("").value is None


@pytest.mark.parametrize(
    ("printed", "on_ac", "percent"),
    [
        (LAPTOP, False, 67),
        (FED, True, 100),
        (MAC_MINI, True, None),
        (UPS, False, 94),
        ("", None, None),
    ],
)
def test_power(printed: str, on_ac: bool | None, percent: float | None) -> None:
    assert tuple(signal.value for signal in macos.power(printed)) == (on_ac, percent)


def test_mac_without_a_battery() -> None:
    assert macos.power(MAC_MINI)[0].source == "no battery"


def test_program_of_others_that_keeps_the_display_on() -> None:
    assert macos.presenting(ASSERTIONS, {4242}).value == "Google Chrome"
    assert macos.presenting(ASSERTIONS, set()).value == "caffeinate"
    assert macos.presenting(ASSERTIONS, {4242, 900}).value == ""
    assert macos.presenting("", set()).value is None


def test_lid() -> None:
    assert macos.lid('      "AppleClamshellState" = Yes\n').value is True
    assert macos.lid('      "AppleClamshellState" = No\n').value is False
    assert macos.lid("") == Signal(False, "no lid")


def test_missing_or_hanging_program_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="/no/such/ioreg: FileNotFoundError"):
        macos._output("/no/such/ioreg")

    def hang(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("pmset", timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(SourceError, match="pmset: TimeoutExpired"):
        macos._output("pmset")
