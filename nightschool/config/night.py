"""The night's windows as stretches of absolute time, in whatever time zone, summer time and all.

All times are seconds since the epoch. A time that the clocks skip in spring is the end of the gap;
one that they show twice in autumn is the first: so a window comes once, and none overlaps another.
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

# A window that lies within the hour that spring skips comes a week later.
_DAYS_AHEAD = 15
# A night of last week is found whole.
_DAYS_BACK = 10


@dataclass(frozen=True, slots=True)
class Window:
    """A night's window, or one of several. It belongs to the evening (the day) on which it opens."""

    evening: date
    opens: float
    closes: float
    """When all has to be over: at `night.finish_by` where that comes before the end."""
    end: float

    @property
    def seconds(self) -> float:
        return self.closes - self.opens


def windows(night: NightSettings, since: float) -> Iterator[Window]:
    """The windows that end after `since`, in order, for two weeks."""
    zone = zone_of(night)
    week = night.week
    # The day before yesterday's may end only now: one of 24 hours on a day that is longer.
    first = datetime.fromtimestamp(since, zone).date() - timedelta(days=2)
    for ahead in range(_DAYS_AHEAD + 3):
        evening = first + timedelta(days=ahead)
        for window in _windows_of(week[evening.weekday()], night.finish_by, evening, zone):
            if window.end > since:
                yield window


def window_at(night: NightSettings, now: float) -> Window | None:
    """The window that is open at `now`, or None; it closes at the minute of its end."""
    window = next(windows(night, now), None)
    return window if window and window.opens <= now else None


def next_window(night: NightSettings, now: float) -> Window | None:
    """The first window that opens after `now`."""
    return next((window for window in windows(night, now) if window.opens > now), None)


def nights(night: NightSettings, now: float) -> list[Window]:
    """The newest two nights that have begun, in order: all windows of an evening as one, from the first's
    begin to the last's end."""
    found: list[Window] = []
    since = now - _DAYS_BACK * 24 * 3600.0
    for _, group in itertools.groupby(windows(night, since), lambda window: window.evening):
        evening = list(group)
        if evening[0].opens > now:
            break
        found.append(replace(evening[-1], opens=evening[0].opens))
    return found[-2:]


def is_near(night: NightSettings, now: float, ahead_s: float) -> bool:
    """Whether a window is open, or opens within so many seconds."""
    coming = next(windows(night, now), None)
    return coming is not None and coming.opens - now <= ahead_s


def evening_of(night: NightSettings, window: Window) -> list[Window]:
    """All windows of one evening."""
    found = []
    for other in windows(night, window.opens - 2 * DAY_MINUTES * 60):
        if other.evening > window.evening:
            break
        if other.evening == window.evening:
            found.append(other)
    return found


def length_s(night: NightSettings) -> float:
    """Seconds that a night has for work: the mean of those that have any, at most max_hours."""
    lengths = [
        60.0 * sum((finish_in(span, night.finish_by) or span[1]) - span[0] for span in spans)
        for spans in night.week
        if spans
    ]
    most = night.max_hours * 3600 or float("inf")
    return sum(min(length, most) for length in lengths) / len(lengths)


def left_s(night: NightSettings, now: float) -> float:
    """Seconds that are left of an open window; the whole length of the next where none is."""
    window = window_at(night, now)
    if window and now < window.closes:
        left = window.closes - now
    else:
        coming = next_window(night, now)
        left = coming.seconds if coming else length_s(night)
    return min(left, night.max_hours * 3600 or left)


def local(night: NightSettings, at: float) -> datetime:
    """A moment as the clocks of the night's time zone show it."""
    return datetime.fromtimestamp(at, zone_of(night))


def zone_of(night: NightSettings) -> tzinfo:
    """The time zone that the night's settings are meant in."""
    return ZoneInfo(night.timezone) if night.timezone else _system_zone(time.monotonic() // 60)


@functools.lru_cache(maxsize=1)
def _system_zone(minute: float) -> tzinfo:
    """The computer's, read again every minute: it may travel."""
    import tzlocal

    try:
        return tzlocal.reload_localzone()
    except (ZoneInfoNotFoundError, OSError, ValueError):
        # Files that contradict each other: the C library has an offset all the same.
        zone = datetime.now().astimezone().tzinfo
        assert zone is not None
        return zone


@functools.lru_cache(maxsize=256)
def _windows_of(
    spans: tuple[Span, ...], finish_by: str, evening: date, zone: tzinfo
) -> tuple[Window, ...]:
    found = []
    for start, end in spans:
        finish = finish_in((start, end), finish_by)
        opens, last = _instant(evening, start, zone), _instant(evening, end, zone)
        closes = last if finish is None else _instant(evening, finish, zone)
        if last > opens:
            found.append(Window(evening, opens, closes, last))
    return tuple(found)


def _instant(day: date, minute: int, zone: tzinfo) -> float:
    """When the clocks show a minute of a day, counted from the midnight on which it begins."""
    shown = datetime.combine(day, clock_time(), zone) + timedelta(minutes=minute)
    first, second = (shown.replace(fold=fold).timestamp() for fold in (0, 1))
    if first <= second:
        return first
    # Skipped: PEP 495 reads it by the offset before the gap, then by that after it.
    before, after = int(second), int(first)
    ahead = datetime.fromtimestamp(after, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == ahead:
            after = middle
        else:
            before = middle
    return float(after)
