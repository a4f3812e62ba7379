"""The plan for the night: when work can go on, and when it is done if nothing comes between."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nightschool.config.durations import spoken
from nightschool.config.night import Window, evening_of, local, windows
from nightschool.config.night_settings import NightSettings
from nightschool.jobs.history import History
from nightschool.jobs.policy import stops

_ROUND_S = 300


@dataclass(frozen=True, slots=True)
class NightForecast:
    """Times are seconds since the epoch. Nobody knows the owner's night: it holds if nothing stops it."""

    starts: float | None
    """When it can go on; None: no window is near."""
    done: float | None
    """None: it is not known how long it takes, or it takes longer than two weeks."""
    nights: int
    """How many nights it takes."""
    text: str


def plan(
    night: NightSettings, work_s: float | None, now: float, history: History, since: float = 0.0
) -> NightForecast:
    """When a run that waits for the night works, with so many seconds of work left (None: unknown).

    It is paused until `since`.
    """
    left = math.inf if work_s is None else work_s
    starts = done = None
    evenings: dict[object, float] = {}
    used: list[Window] = []
    for window in windows(night, max(now, since)):
        if window.evening not in evenings:
            evenings[window.evening] = _hours_left(night, window, now, history)
        begin = max(now, since, window.opens)
        free = min(stops(night, window) - begin, evenings[window.evening])
        if free <= 0:
            continue
        used.append(window)
        starts = begin if starts is None else starts
        evenings[window.evening] -= free
        if left <= free:
            done = begin + left
            break
        left -= free
    nights = len({window.evening for window in used})
    return NightForecast(
        starts, done, nights, _text(night, work_s, now, history, starts, done, nights)
    )


def _hours_left(night: NightSettings, window: Window, now: float, history: History) -> float:
    if not night.max_hours:
        return math.inf
    evening = evening_of(night, window)
    return night.max_hours * 3600 - sum(history.worked_s(w.opens, w.end, now) for w in evening)


def _text(
    night: NightSettings, work_s: float | None, now: float, history: History,
    starts: float | None, done: float | None, nights: int,
) -> str:  # fmt: skip
    if starts is None:
        return "no window opens within two weeks (night.days)"
    if history.running and starts == now:
        begin = "works now"
    else:
        begin = f"starts {'now' if starts == now else _clock(night, starts, now)} if idle"
    if work_s is None:
        return f"{begin}; how long it takes is known once three steps are timed"
    work = f"{begin}, {spoken(work_s)} of work"
    if done is None:
        return f"{work}: more than two weeks"
    about = math.ceil(done / _ROUND_S) * _ROUND_S
    ends = f"done about {_clock(night, about, now)}"
    if nights > 1:
        return f"{work} in {nights} nights, {ends}"
    return f"{work}, {ends}{_else(night, starts, now)}"


def _else(night: NightSettings, starts: float, now: float) -> str:
    """When it goes on where it is not done that night."""
    found = list(windows(night, starts))
    coming = next((window for window in found if window.evening != found[0].evening), None)
    if coming is None:
        return ""
    day = coming.evening
    ahead = (day - local(night, now).date()).days
    if ahead < 1:
        return f", else from {_clock(night, coming.opens, now)}"
    if ahead == 1:
        return ", else tomorrow"
    return f", else on {day:%A}" if ahead < 7 else f", else on {day:%a} {day.day} {day:%b}"


def _clock(night: NightSettings, at: float, now: float) -> str:
    shown = local(night, at)
    soon = at - now < 24 * 3600
    return f"{shown:%H:%M}" if soon else f"{shown:%a %H:%M}"
