"""Whether a run may work now: a pure function that applies rules in order, without I/O.

Times are seconds since the epoch. An unknown signal stops work unless a setting overrides that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nightschool.config.durations import format_duration
from nightschool.config.night import (
    Window,
    evening_of,
    local,
    next_window,
    window_at,
    windows,
)
from nightschool.config.night_settings import NightSettings
from nightschool.jobs.history import History
from nightschool.jobs.reasons import MEANINGS
from nightschool.jobs.signals.signal import Signal, Signals
from nightschool.ledger.failures import MAX_FAILURES
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import Control, Run

STOP_S = 10.0
"""How many seconds before a window closes work ends, so that the computer is free in time."""
BUSY_GPU_PERCENT = 20.0
"""More than drawing a desktop takes, and far less than a game."""
RETRY_S = 300.0
"""Delay of a retry after an attempt found the GPU in use, no notes, or a full disk."""
# Tolerance for an idle time that was read late.
_LATE_S = 60.0


@dataclass(frozen=True, slots=True)
class PolicyFinding:
    """A rule's objection to work now."""

    reason: Reason
    detail: str
    """The reason in words, with its values."""
    next_check: float | None = None
    """When time alone can end the objection; None if it depends on something else."""


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """Whether work is allowed, and why."""

    run: bool
    reason: Reason
    detail: str
    next_check: float | None = None
    findings: tuple[PolicyFinding, ...] = ()
    """All objections, in order; if work is allowed nevertheless (`--now`), the overridden ones."""


@dataclass(frozen=True, slots=True)
class _Case:
    run_settings: Mapping[str, Any]
    """The settings that the run was queued with."""
    control: Control
    night: NightSettings
    now: float
    history: History
    window: Window | None
    stop: float | None
    """When work stops in the open window."""

    def clock(self, at: float) -> str:
        """A time today as "23:00", on another day as "Fri 23:00"."""
        shown, today = local(self.night, at), local(self.night, self.now)
        return f"{shown:%H:%M}" if shown.date() == today.date() else f"{shown:%a %H:%M}"

    @property
    def uses_gpu(self) -> bool:
        """Whether the run trains on an NVIDIA GPU if there is one."""
        return self.run_settings.get("train", {}).get("device", "auto") in ("auto", "cuda")


def decide(
    run: Run | None,
    control: Control,
    signals: Signals | None,
    night: NightSettings,
    now: float,
    history: History,
) -> PolicyDecision:
    """Decide for the next run.

    Without `signals`, only the owner's requests and the clock count. If the decision is then to work,
    the caller reads the signals and decides again.
    """
    window = window_at(night, now)
    stop = work_end(night, window) if window else None
    case = _Case(run.settings if run else {}, control, night, now, history, window, stop)
    if run is None:
        no_run = PolicyFinding(Reason.NOTHING_TO_DO, MEANINGS[Reason.NOTHING_TO_DO].what)
        findings = tuple(finding for finding in (no_run, _paused(case)) if finding)
        return PolicyDecision(False, no_run.reason, no_run.detail, None, findings)
    # `run --now` overrides only the second list.
    mandatory = [finding for rule in _REQUEST_RULES if (finding := rule(case))]
    overridable = [finding for rule in _CLOCK_RULES if (finding := rule(case))]
    if signals:
        mandatory += [finding for rule in _SAFETY_RULES if (finding := rule(case, signals))]
        overridable += [finding for rule in _SIGNAL_RULES if (finding := rule(case, signals))]
        present = {finding.reason for finding in (*mandatory, *overridable)}
        quiet = None if history.disturbed in present else _quiet(case, signals)
        overridable += [finding for finding in (quiet, _starts(case)) if finding]
    findings = (*mandatory, *overridable)
    if mandatory or (overridable and run.timing != "now"):
        first = findings[0]
        return PolicyDecision(False, first.reason, first.detail, first.next_check, findings)
    if run.timing == "now":
        return PolicyDecision(True, Reason.RUN_NOW, MEANINGS[Reason.RUN_NOW].what, None, findings)
    assert window and stop  # otherwise a rule objected
    until = min(stop, now + hours_left_s(night, window, now, history))
    detail = f"the window is open until {case.clock(window.closes)}"
    return PolicyDecision(True, Reason.IN_WINDOW, detail, until)


def work_end(night: NightSettings, window: Window) -> float:
    """When work in a window stops: shortly before it closes, unless the next one follows at once."""
    following = next_window(night, window.opens)
    adjoins = window.closes == window.end and following and following.opens == window.end
    return window.closes if adjoins else window.closes - STOP_S


def hours_left_s(night: NightSettings, window: Window, now: float, history: History) -> float:
    """Seconds of `night.max_hours` left in a window's night, infinite without a limit."""
    if not night.max_hours:
        return float("inf")
    evening = evening_of(night, window)
    worked_s = sum(history.worked_s(other.opens, other.end, now) for other in evening)
    return max(0.0, night.max_hours * 3600 - worked_s)


# Rules about the owner's requests and the clock


def _paused(case: _Case) -> PolicyFinding | None:
    if not case.control.paused:
        return None
    until = case.control.paused_until
    end = f"until {case.clock(until)}" if until else "until `nightschool resume`"
    return PolicyFinding(Reason.PAUSED, f"paused {end}", until)


def _woke(case: _Case) -> PolicyFinding | None:
    if not case.history.woke:
        return None
    return PolicyFinding(Reason.WOKE, MEANINGS[Reason.WOKE].what, case.now)


def _device(case: _Case) -> PolicyFinding | None:
    return _retry_later(case, Reason.DEVICE_BUSY, "the GPU, or its memory, is in use")


def _notes(case: _Case) -> PolicyFinding | None:
    folder = json.dumps(case.run_settings.get("notes", {}).get("folder", ""), ensure_ascii=False)
    return _retry_later(
        case, Reason.NOTES_GONE, f"the notes (notes.folder = {folder}) cannot be reached"
    )


def _error(case: _Case) -> PolicyFinding | None:
    failed = case.history.failures
    if failed is None or not failed.is_waiting(case.now):
        return None
    detail = (
        f"{failed.stage} failed ({failed.reason}); attempt {failed.count + 1} of {MAX_FAILURES} at "
        f"{case.clock(failed.retry_at)}"
    )
    return PolicyFinding(Reason.AFTER_ERROR, detail, failed.retry_at)


def _retry_later(case: _Case, reason: Reason, problem: str) -> PolicyFinding | None:
    """Wait for a while after the newest attempt ended with `reason`."""
    outcome, at = case.history.ended or ("", 0.0)
    if outcome != reason or not 0 <= case.now - at < RETRY_S:  # < 0: the clock was set back
        return None
    retry = at + RETRY_S
    return PolicyFinding(reason, f"{problem}; next attempt at {case.clock(retry)}", retry)


def _window(case: _Case) -> PolicyFinding | None:
    window, night = case.window, case.night
    if case.stop and case.now < case.stop:
        return None
    following = next_window(night, case.now)
    opens = (
        f"the next window opens at {case.clock(following.opens)}"
        if following
        else "no window opens within two weeks"
    )
    check = following.opens if following else None
    if window and window.closes < window.end:
        detail = f"the deadline was {case.clock(window.closes)} (night.finish_by); {opens}"
        return PolicyFinding(Reason.FINISH_BY, detail, check)
    closes = f"the window closes at {case.clock(window.closes)}; " if window else ""
    return PolicyFinding(Reason.OUTSIDE_WINDOW, closes + opens, check)


def _hours(case: _Case) -> PolicyFinding | None:
    window = case.window
    if window is None or hours_left_s(case.night, window, case.now, case.history) > 0:
        return None
    later = (w for w in windows(case.night, case.now) if w.evening != window.evening)
    following = next(later, None)
    opens = f"; the next window opens at {case.clock(following.opens)}" if following else ""
    hours = f"{case.night.max_hours:g} hours (night.max_hours)"
    detail = f"tonight's {hours} are used up{opens}"
    return PolicyFinding(Reason.HOURS_USED, detail, following.opens if following else None)


# Rules about the signals


def _suspending(case: _Case, signals: Signals) -> PolicyFinding | None:
    if not signals.suspending.value:
        return None
    return PolicyFinding(Reason.SUSPENDING, MEANINGS[Reason.SUSPENDING].what)


def _disk(case: _Case, signals: Signals) -> PolicyFinding | None:
    free, least = signals.disk_free.value, case.night.min_disk_gb
    if free is None or free >= least * 1e9:
        return _retry_later(case, Reason.DISK_FULL, "the disk was full")
    return PolicyFinding(
        Reason.DISK_FULL,
        f"{free / 1e9:.1f} GB of disk are free, {least:g} GB are needed (night.min_disk_gb)",
    )


def _heat(case: _Case, signals: Signals) -> PolicyFinding | None:
    heat, most = signals.gpu_temperature.value, case.night.max_temperature
    if not case.uses_gpu or heat is None or not most:
        return None
    if heat > most:
        return PolicyFinding(Reason.TOO_HOT, f"the GPU is at {heat:.0f} °C, above {most:g} °C")
    cool = case.night.resume_temperature
    if case.history.hot and heat > cool:
        return PolicyFinding(
            Reason.TOO_HOT, f"the GPU is cooling down: at {heat:.0f} °C, resumes at {cool:g} °C"
        )
    return None


def _power(case: _Case, signals: Signals) -> PolicyFinding | None:
    night, on_ac, battery = case.night, signals.on_ac, signals.battery
    if on_ac.value:
        return None
    if on_ac.value is False and not night.on_battery:
        charge = "" if battery.value is None else f" ({battery.value:.0f} %)"
        return PolicyFinding(Reason.ON_BATTERY, f"the computer runs on battery{charge}")
    if battery.value is not None and battery.value < night.min_battery:
        detail = f"the battery is at {battery.value:.0f} %, below {night.min_battery:g} %"
        return PolicyFinding(Reason.BATTERY_LOW, detail)
    if not night.on_battery:
        what = "it is unknown whether the computer is plugged in"
        return _unknown(Reason.POWER_UNKNOWN, what, on_ac, night.if_power_unknown)
    if battery.value is None:
        what = "the battery's charge is unknown"
        return _unknown(Reason.POWER_UNKNOWN, what, battery, night.if_power_unknown)
    return None


def _idle(case: _Case, signals: Signals) -> PolicyFinding | None:
    idle, needed = signals.idle_s, case.night.idle_minutes * 60
    if not needed:
        return None
    if idle.value is None:
        what = "the time of your last input is unknown"
        return _unknown(Reason.IDLE_UNKNOWN, what, idle, case.night.if_idle_unknown)
    if idle.value >= needed:
        return None
    detail = f"you are active: idle for {format_duration(idle.value)} of {format_duration(needed)}"
    return PolicyFinding(Reason.OWNER_ACTIVE, detail, case.now + needed - idle.value)


def _screen(case: _Case, signals: Signals) -> PolicyFinding | None:
    who, night = signals.presenting, case.night
    if who.value is None:
        what = "it is unknown whether a program keeps the screen on"
        return _unknown(Reason.PRESENTING_UNKNOWN, what, who, night.if_presenting_unknown)
    if not who.value or night.if_presenting == "train":
        return None
    return PolicyFinding(Reason.PRESENTING, f"{who.value} keeps the screen on")


def _exclusive(case: _Case, signals: Signals) -> PolicyFinding | None:
    programs, names = signals.programs, case.night.exclusive
    if not names or programs.value == ():
        return None
    if programs.value is None:
        what = f"it is unknown whether {' or '.join(names)} runs"
        return _unknown(Reason.EXCLUSIVE_PROGRAM, what, programs, "wait")
    return PolicyFinding(Reason.EXCLUSIVE_PROGRAM, f"{_listed(programs.value)} (night.exclusive)")


def _gpu(case: _Case, signals: Signals) -> PolicyFinding | None:
    programs, load = signals.gpu_programs, signals.gpu_load.value
    if not case.uses_gpu or case.night.gpu == "shared":
        return None
    if programs.value:
        return PolicyFinding(Reason.GPU_BUSY, f"{_listed(programs.value)} on the GPU")
    if load is not None and load > BUSY_GPU_PERCENT:
        return PolicyFinding(Reason.GPU_BUSY, f"other programs use {load:.0f} % of the GPU")
    if programs.value is None:
        what = "it is unknown who uses the GPU"
        return _unknown(Reason.GPU_UNKNOWN, what, programs, case.night.if_gpu_unknown)
    return None


def _processor(case: _Case, signals: Signals) -> PolicyFinding | None:
    load, most = signals.cpu_load.value, case.night.max_cpu_load
    if load is None or most >= 100 or load <= most:
        return None
    return PolicyFinding(
        Reason.CPU_BUSY, f"other programs use {load:.0f} % of the CPU, more than {most:g} %"
    )


def _unknown(
    reason: Reason, what: str, signal: Signal[object], setting: str
) -> PolicyFinding | None:
    if setting == "train":
        return None
    return PolicyFinding(reason, f"{what} ({signal.source}: {signal.remark})")


def _listed(programs: tuple[str, ...]) -> str:
    return f"{', '.join(programs)} {'runs' if len(programs) == 1 else 'run'}"


# Rules about what happened before


def _quiet(case: _Case, signals: Signals) -> PolicyFinding | None:
    history, needed = case.history, case.night.quiet_minutes * 60
    if history.running or history.disturbed is None:
        return None
    since = case.now if history.quiet_since is None else history.quiet_since
    over = case.now - since
    if over < 0 or over >= needed:  # < 0: the clock was set back
        return None
    if history.disturbed is Reason.OWNER_ACTIVE and signals.idle_s.value is not None:
        # An idle time that grew steadily proves the quiet. One that jumped is not trusted yet.
        grown = over + case.night.idle_minutes * 60 + _LATE_S
        if signals.idle_s.value <= grown:
            return None
    cause = MEANINGS[history.disturbed].what
    clear = f"all clear for {format_duration(over)} of {format_duration(needed)}"
    detail = f"{clear} (last stop: {cause})"
    return PolicyFinding(Reason.QUIET_TIME, detail, since + needed)


def _starts(case: _Case) -> PolicyFinding | None:
    most, now = case.night.starts_per_hour, case.now
    recent = [at for at in case.history.starts if now - 3600 < at <= now]
    if case.history.running or len(recent) < most:
        return None
    detail = (
        f"work resumed {len(recent)} times within an hour; the maximum is {most} "
        "(night.starts_per_hour)"
    )
    return PolicyFinding(Reason.TOO_MANY_STARTS, detail, recent[-most] + 3600)


_REQUEST_RULES: tuple[Callable[[_Case], PolicyFinding | None], ...] = (
    _paused,
    _woke,
    _device,
    _notes,
    _error,
)
_CLOCK_RULES: tuple[Callable[[_Case], PolicyFinding | None], ...] = (_window, _hours)
_SAFETY_RULES: tuple[Callable[[_Case, Signals], PolicyFinding | None], ...] = (
    _suspending,
    _disk,
    _heat,
)
_SIGNAL_RULES: tuple[Callable[[_Case, Signals], PolicyFinding | None], ...] = (
    _power,
    _idle,
    _screen,
    _exclusive,
    _gpu,
    _processor,
)
