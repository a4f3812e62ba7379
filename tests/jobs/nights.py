"""Inputs of the policy: a waiting run, a sleeping owner, an idle computer."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from nightschool.config.night_settings import WEEKDAYS, NightSettings
from nightschool.jobs.signals.signal import Signal, Signals
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import Control, Run, RunState, StageName, Timing

BERLIN = "Europe/Berlin"
ALL_DAY: dict[str, Any] = {"days": dict.fromkeys(WEEKDAYS, "00:00-24:00")}
"""A window that is always open."""
CALM: dict[str, Any] = {
    "idle_s": 3600.0, "on_ac": True, "battery": 80.0, "gpu_programs": (), "gpu_load": 0.0,
    "gpu_temperature": 50.0, "gpu_throttled": (), "cpu_load": 5.0, "disk_free": 100e9,
    "session": "local", "presenting": "", "lid_closed": False, "programs": (), "suspending": False,
}  # fmt: skip


def signals(**changes: Any) -> Signals:
    """Signals of a calm night, except for the changes; None is unknown."""
    values = {**CALM, **changes}
    return Signals(
        **{
            name: Signal(value, "test", remark="broken" if value is None else "")
            for name, value in values.items()
        }
    )


def night(**given: Any) -> NightSettings:
    return NightSettings(**{"timezone": BERLIN, **given})


def run(timing: Timing = Timing.TONIGHT, device: str = "auto") -> Run:
    settings = {"train": {"device": device}}
    return Run(1, 0.0, RunState.QUEUED, StageName.COMPARE, timing, "", settings)


def control(paused: bool = False, until: float | None = None) -> Control:
    return Control(paused, until, False, Reason.NOTHING_TO_DO, None)


def at(clock: str, day: int = 24, zone: str = BERLIN) -> float:
    """A time in November 2026, in seconds since the epoch; the 24th is a Tuesday."""
    text = f"2026-11-{day:02} {clock}"
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()
