"""Whether a run may work now: one pure function, a list of rules in order, and no I/O.

Times are seconds since the epoch. What is unknown counts as a no, and the reason says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nightschool.config.durations import spoken
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
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import Control, Run

STOP_S = 10.0
"""Work ends this long before a window does, so that the computer is free when it closes."""
BUSY_GPU_PERCENT = 20.0
"""Above what drawing the desktop takes, and far below a game."""
AGAIN_S = 300.0
"""So long after an attempt found the device in use, no notes, or no room on the disk, it is tried again."""
# An input may have come this much earlier than a late look at it suggests.
_LATE_S = 60.0


@dataclass(frozen=True, slots=True)
class PolicyFinding:
    """What one rule has against work now."""

    reason: Reason
    detail: str
    """The reason in words, with its values."""
    next_check: float | None = None
    """When that can change by the clock alone; None: it depends on something else."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether work goes on, why, and all that speaks against it."""

    run: bool
    reason: Reason
    detail: str
    next_check: float | None = None
    findings: tuple[PolicyFinding, ...] = ()
    """All that speaks against it, in order. Where it goes on all the same (`--now`), these are
    the rules that its owner overrides."""


@dataclass(frozen=True, slots=True)
class _Case:
    asked: Mapping[str, Any]
    """The settings that the run was queued with."""
    control: Control
    night: NightSettings
    now: float
    history: History
    window: Window | None
    stop: float | None
    """When work ends in the window that is open."""

    def clock(self, at: float) -> str:
        """A time of this day as "23:00", of another as "Fri 23:00"."""
        shown, today = local(self.night, at), local(self.night, self.now)
        return f"{shown:%H:%M}" if shown.date() == today.date() else f"{shown:%a %H:%M}"

    @property
    def uses_gpu(self) -> bool:
        """Whether the run would train on an NVIDIA GPU where there is one."""
        return self.asked.get("train", {}).get("device", "auto") in ("auto", "cuda")


def decide(
    run: Run | None,
    control: Control,
    signals: Signals | None,
    night: NightSettings,
    now: float,
    history: History,
) -> Decision:
    """Decide for the run that is next.

    Without `signals` only the owner and the clock are asked: where the answer is yes then, the
    signals have to be read, and the question to be put again.
    """
    window = window_at(night, now)
    stop = stops(night, window) if window else None
    case = _Case(run.settings if run else {}, control, night, now, history, window, stop)
    if run is None:
        nothing = PolicyFinding(Reason.NOTHING_TO_DO, MEANINGS[Reason.NOTHING_TO_DO].what)
        findings = tuple(found for found in (nothing, _paused(case)) if found)
        return Decision(False, nothing.reason, nothing.detail, None, findings)
    safety = [found for rule in (_paused, _woke, _device, _notes) if (found := rule(case))]
    owners = [found for rule in _CLOCK_RULES if (found := rule(case))]
    if signals:
        safety += [found for look in _SAFETY_RULES if (found := look(case, signals))]
        owners += [found for look in _SIGNAL_RULES if (found := look(case, signals))]
        over = history.disturbed not in {found.reason for found in (*safety, *owners)}
        afterwards = (_quiet(case, signals) if over else None, _starts(case))
        owners += [found for found in afterwards if found]
    findings = (*safety, *owners)
    if safety or (owners and run.timing != "now"):
        first = findings[0]
        return Decision(False, first.reason, first.detail, first.next_check, findings)
    if run.timing == "now":
        return Decision(True, Reason.RUN_NOW, MEANINGS[Reason.RUN_NOW].what, None, findings)
    assert window and stop  # or a rule had something against it
    until = min(stop, now + hours_left_s(night, window, now, history))
    detail = f"the window is open until {case.clock(window.closes)}"
    return Decision(True, Reason.IN_WINDOW, detail, until)


def stops(night: NightSettings, window: Window) -> float:
    """When work in a window ends: just before it closes, unless the next one begins with its end."""
    after = next_window(night, window.opens)
    follows = window.closes == window.end and after and after.opens == window.end
    return window.closes if follows else window.closes - STOP_S


def hours_left_s(night: NightSettings, window: Window, now: float, history: History) -> float:
    """Seconds of `night.max_hours` left in a window's night, infinite without a limit."""
    if not night.max_hours:
        return float("inf")
    evening = evening_of(night, window)
    worked_s = sum(history.worked_s(other.opens, other.end, now) for other in evening)
    return max(0.0, night.max_hours * 3600 - worked_s)


# The owner and the clock


def _paused(case: _Case) -> PolicyFinding | None:
    if not case.control.paused:
        return None
    until = case.control.paused_until
    end = f"until {case.clock(until)}" if until else "until `nightschool resume`"
    return PolicyFinding(Reason.PAUSED, f"paused by its owner {end}", until)


def _woke(case: _Case) -> PolicyFinding | None:
    if not case.history.woke:
        return None
    return PolicyFinding(Reason.WOKE, MEANINGS[Reason.WOKE].what, case.now)


def _device(case: _Case) -> PolicyFinding | None:
    return _again(case, Reason.DEVICE_BUSY, "the device, or its memory, is in use")


def _notes(case: _Case) -> PolicyFinding | None:
    folder = case.asked.get("notes", {}).get("folder", "")
    return _again(
        case, Reason.NOTES_GONE, f'the notes (notes.folder = "{folder}") are out of reach'
    )


def _again(case: _Case, reason: Reason, what: str) -> PolicyFinding | None:
    """What the newest attempt found in its way is looked at anew after a while."""
    how, at = case.history.ended or ("", 0.0)
    if how != reason or not 0 <= case.now - at < AGAIN_S:  # < 0: the clock was set back
        return None
    again = at + AGAIN_S
    return PolicyFinding(reason, f"{what}; it is tried again at {case.clock(again)}", again)


def _window(case: _Case) -> PolicyFinding | None:
    window, night = case.window, case.night
    if case.stop and case.now < case.stop:
        return None
    coming = next_window(night, case.now)
    opens = f"the next window opens {case.clock(coming.opens)}" if coming else "no window is near"
    check = coming.opens if coming else None
    if window and window.closes < window.end:
        detail = f"all has to be over by {case.clock(window.closes)} (night.finish_by); {opens}"
        return PolicyFinding(Reason.FINISH_BY, detail, check)
    closes = f"the window closes at {case.clock(window.closes)}; " if window else ""
    return PolicyFinding(Reason.OUTSIDE_WINDOW, closes + opens, check)


def _hours(case: _Case) -> PolicyFinding | None:
    window = case.window
    if window is None or hours_left_s(case.night, window, case.now, case.history) > 0:
        return None
    coming = next((w for w in windows(case.night, case.now) if w.evening != window.evening), None)
    opens = f"; the next one opens {case.clock(coming.opens)}" if coming else ""
    detail = f"the night has had its {case.night.max_hours:g} hours (night.max_hours){opens}"
    return PolicyFinding(Reason.HOURS_USED, detail, coming.opens if coming else None)


# What the computer and its owner are doing


def _suspending(case: _Case, signals: Signals) -> PolicyFinding | None:
    if not signals.suspending.value:
        return None
    return PolicyFinding(Reason.SUSPENDING, MEANINGS[Reason.SUSPENDING].what)


def _disk(case: _Case, signals: Signals) -> PolicyFinding | None:
    free, least = signals.disk_free.value, case.night.min_disk_gb
    if free is None or free >= least * 1e9:
        return _again(case, Reason.DISK_FULL, "there was no room on the disk")
    return PolicyFinding(
        Reason.DISK_FULL, f"{free / 1e9:.1f} of {least:g} GB are free (night.min_disk_gb)"
    )


def _heat(case: _Case, signals: Signals) -> PolicyFinding | None:
    heat, most = signals.gpu_temperature.value, case.night.max_temperature
    if not case.uses_gpu or heat is None or not most:
        return None
    if heat > most:
        return PolicyFinding(Reason.TOO_HOT, f"the GPU has {heat:.0f} °C, over {most:g} °C")
    cool = case.night.resume_temperature
    if case.history.hot and heat > cool:
        return PolicyFinding(Reason.TOO_HOT, f"the GPU cools down: {heat:.0f} °C, to {cool:g} °C")
    return None


def _power(case: _Case, signals: Signals) -> PolicyFinding | None:
    night, on_ac, battery = case.night, signals.on_ac, signals.battery
    if on_ac.value:
        return None
    if on_ac.value is False and not night.on_battery:
        charge = "" if battery.value is None else f" ({battery.value:.0f} %)"
        return PolicyFinding(Reason.ON_BATTERY, f"it runs on battery{charge}")
    if battery.value is not None and battery.value < night.min_battery:
        detail = f"the battery has {battery.value:.0f} of {night.min_battery:g} %"
        return PolicyFinding(Reason.BATTERY_LOW, detail)
    if not night.on_battery:
        what = "whether it is plugged in is unknown"
        return _unknown(Reason.POWER_UNKNOWN, what, on_ac, night.if_power_unknown)
    if battery.value is None:
        what = "how full the battery is is unknown"
        return _unknown(Reason.POWER_UNKNOWN, what, battery, night.if_power_unknown)
    return None


def _idle(case: _Case, signals: Signals) -> PolicyFinding | None:
    idle, needed = signals.idle_s, case.night.idle_minutes * 60
    if not needed:
        return None
    if idle.value is None:
        what = "when the owner's last input was is unknown"
        return _unknown(Reason.IDLE_UNKNOWN, what, idle, case.night.if_idle_unknown)
    if idle.value >= needed:
        return None
    detail = f"the owner is there: idle for {spoken(idle.value)} of {spoken(needed)}"
    return PolicyFinding(Reason.OWNER_ACTIVE, detail, case.now + needed - idle.value)


def _screen(case: _Case, signals: Signals) -> PolicyFinding | None:
    who, night = signals.presenting, case.night
    if who.value is None:
        what = "whether a program keeps the screen on is unknown"
        return _unknown(Reason.PRESENTING_UNKNOWN, what, who, night.if_presenting_unknown)
    if not who.value or night.if_presenting == "train":
        return None
    return PolicyFinding(Reason.PRESENTING, f"{who.value} keeps the screen on")


def _exclusive(case: _Case, signals: Signals) -> PolicyFinding | None:
    programs, names = signals.programs, case.night.exclusive
    if not names or programs.value == ():
        return None
    if programs.value is None:
        what = f"whether {' or '.join(names)} runs is unknown"
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
        what = "who uses the GPU is unknown"
        return _unknown(Reason.GPU_UNKNOWN, what, programs, case.night.if_gpu_unknown)
    return None


def _processor(case: _Case, signals: Signals) -> PolicyFinding | None:
    load, most = signals.cpu_load.value, case.night.max_cpu_load
    if load is None or most >= 100 or load <= most:
        return None
    return PolicyFinding(
        Reason.CPU_BUSY, f"other programs use {load:.0f} % of the processor, over {most:g} %"
    )


def _unknown(
    reason: Reason, what: str, signal: Signal[object], setting: str
) -> PolicyFinding | None:
    if setting == "train":
        return None
    return PolicyFinding(reason, f"{what} ({signal.source}: {signal.remark})")


def _listed(programs: tuple[str, ...]) -> str:
    return f"{', '.join(programs)} {'runs' if len(programs) == 1 else 'run'}"


# What happened before


def _quiet(case: _Case, signals: Signals) -> PolicyFinding | None:
    history, needed = case.history, case.night.quiet_minutes * 60
    if history.running or history.disturbed is None:
        return None
    since = case.now if history.quiet_since is None else history.quiet_since
    over = case.now - since
    if over < 0 or over >= needed:  # before: the clock was set back
        return None
    if history.disturbed is Reason.OWNER_ACTIVE and signals.idle_s.value is not None:
        # Idleness that grew by the second was quiet enough. One that leapt is not believed yet.
        grown = over + case.night.idle_minutes * 60 + _LATE_S
        if signals.idle_s.value <= grown:
            return None
    what = history.disturbed.value.replace("_", " ")
    detail = f"quiet for {spoken(over)} of {spoken(needed)} (it was stopped: {what})"
    return PolicyFinding(Reason.QUIET_TIME, detail, since + needed)


def _starts(case: _Case) -> PolicyFinding | None:
    most, now = case.night.starts_per_hour, case.now
    recent = [at for at in case.history.starts if now - 3600 < at <= now]
    if case.history.running or len(recent) < most:
        return None
    detail = (
        f"it went on {len(recent)} times within an hour, at most {most} (night.starts_per_hour)"
    )
    return PolicyFinding(Reason.TOO_MANY_STARTS, detail, recent[-most] + 3600)


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
