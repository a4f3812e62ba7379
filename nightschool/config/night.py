"""The night's windows as intervals of absolute time, in any time zone and across clock changes.

All times are seconds since the epoch. A time of day that the clocks skip in spring means the end of the
gap; one that they show twice in autumn means the first. So a window occurs once, and none overlap.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from datetime import time as clock_time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nightschool.config.night_settings import DAY_MINUTES, NightSettings, Span, finish_in

# A window within the hour that spring skips occurs a week later.
_DAYS_AHEAD = 15
# Enough to find the newest night of a school that works once a week.
_DAYS_BACK = 10


@dataclass(frozen=True, slots=True)
class Window:
    """A window of a night. It belongs to the evening (the day) on which it opens."""

    evening: date
    opens: float
    closes: float
    """When work must have ended: `night.finish_by`, if that is before the end."""
    end: float

    @property
    def seconds(self) -> float:
        return self.closes - self.opens


def windows(night: NightSettings, since: float) -> Iterator[Window]:
    """The windows that end after `since`, in order, for two weeks."""
    zone = zone_of(night)
    week = night.week
    # A window of 24 hours that began two days ago can still be open if the clocks were set back.
    first = datetime.fromtimestamp(since, zone).date() - timedelta(days=2)
    for ahead in range(_DAYS_AHEAD + 3):
        evening = first + timedelta(days=ahead)
        for window in _windows_of(week[evening.weekday()], night.finish_by, evening, zone):
            if window.end > since:
                yield window


def window_at(night: NightSettings, now: float) -> Window | None:
    """The window that is open at `now`, or None. It is closed at the moment of its end."""
    window = next(windows(night, now), None)
    return window if window and window.opens <= now else None


def next_window(night: NightSettings, now: float) -> Window | None:
    """The first window that opens after `now`."""
    return next((window for window in windows(night, now) if window.opens > now), None)


def nights(night: NightSettings, now: float) -> list[Window]:
    """The newest two nights that have begun, oldest first.

    A night joins all windows of an evening, from the start of the first to the end of the last.
    """
    begun: list[Window] = []
    since = now - _DAYS_BACK * 24 * 3600.0
    for _, group in itertools.groupby(windows(night, since), lambda window: window.evening):
        evening = list(group)
        if evening[0].opens > now:
            break
        begun.append(replace(evening[-1], opens=evening[0].opens))
    return begun[-2:]


def is_near(night: NightSettings, now: float, ahead_s: float) -> bool:
    """Whether a window is open, or opens within `ahead_s` seconds."""
    window = next(windows(night, now), None)
    return window is not None and window.opens - now <= ahead_s


def evening_of(night: NightSettings, window: Window) -> list[Window]:
    """All windows of one evening."""
    same_evening = []
    for other in windows(night, window.opens - 2 * DAY_MINUTES * 60):
        if other.evening > window.evening:
            break
        if other.evening == window.evening:
            same_evening.append(other)
    return same_evening


def length_s(night: NightSettings) -> float:
    """Seconds of work that a night allows: the mean over nights with a window, at most max_hours."""
    lengths = [
        60.0 * sum((finish_in(span, night.finish_by) or span[1]) - span[0] for span in spans)
        for spans in night.week
        if spans
    ]
    most = night.max_hours * 3600 or float("inf")
    return sum(min(length, most) for length in lengths) / len(lengths)


def left_s(night: NightSettings, now: float) -> float:
    """Seconds left in the open window, or the length of the next window if none is open."""
    window = window_at(night, now)
    if window and now < window.closes:
        left = window.closes - now
    else:
        following = next_window(night, now)
        left = following.seconds if following else length_s(night)
    return min(left, night.max_hours * 3600 or left)


def local(night: NightSettings, at: float) -> datetime:
    """A moment in the night's time zone."""
    return datetime.fromtimestamp(at, zone_of(night))


def zone_of(night: NightSettings) -> tzinfo:
    """The time zone of the night's settings."""
    return ZoneInfo(night.timezone) if night.timezone else _system_zone(time.monotonic() // 60)


@functools.lru_cache(maxsize=1)
def _system_zone(minute: float) -> tzinfo:
    """The computer's time zone, read again every minute because the computer may travel."""
    import tzlocal  # lazy: tzlocal

    try:
        return tzlocal.reload_localzone()
    except (ZoneInfoNotFoundError, OSError, ValueError):
        # The system's files contradict each other; the C library still has an offset.
        zone = datetime.now().astimezone().tzinfo
        assert zone is not None
        return zone


@functools.lru_cache(maxsize=256)
def _windows_of(
    spans: tuple[Span, ...], finish_by: str, evening: date, zone: tzinfo
) -> tuple[Window, ...]:
    evening_windows = []
    for start, end in spans:
        finish = finish_in((start, end), finish_by)
        opens, last = _instant(evening, start, zone), _instant(evening, end, zone)
        closes = last if finish is None else _instant(evening, finish, zone)
        if last > opens:
            evening_windows.append(Window(evening, opens, closes, last))
    return tuple(evening_windows)


def _instant(day: date, minute: int, zone: tzinfo) -> float:
    """When the clocks show a minute of a day, counted from the midnight at which the day begins."""
    shown = datetime.combine(day, clock_time(), zone) + timedelta(minutes=minute)
    first, second = (shown.replace(fold=fold).timestamp() for fold in (0, 1))
    if first <= second:
        return first
    # The clocks skip this time. PEP 495: fold 0 uses the offset before the gap, fold 1 that after it.
    before, after = int(second), int(first)
    ahead = datetime.fromtimestamp(after, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == ahead:
            after = middle
        else:
            before = middle
    return float(after)
