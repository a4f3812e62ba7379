"""The night's window on the clock. Times are local and naive: a change to summer time is not seen."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from nightschool.config.settings import NightSettings


def is_open(night: NightSettings, now: datetime) -> bool:
    """Whether the window is open; it closes at the minute of `end`."""
    at, (start, end) = now.time(), _times(night)
    return start <= at < end if start < end else at >= start or at < end


def opens(night: NightSettings, now: datetime) -> datetime:
    """The next time that the window opens, after `now`."""
    return _next(now, _times(night)[0])


def closes(night: NightSettings, now: datetime) -> datetime:
    """The next time that the window closes, after `now`."""
    return _next(now, _times(night)[1])


def length_s(night: NightSettings) -> float:
    """Seconds from the opening to the closing."""
    begin = opens(night, datetime(2000, 1, 1))
    return (closes(night, begin) - begin).total_seconds()


def left_s(night: NightSettings, now: datetime) -> float:
    """Seconds until an open window closes; the whole length of one that is not open."""
    return (closes(night, now) - now).total_seconds() if is_open(night, now) else length_s(night)


def _times(night: NightSettings) -> tuple[time, time]:
    return time.fromisoformat(night.start), time.fromisoformat(night.end)


def _next(now: datetime, at: time) -> datetime:
    today = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)
