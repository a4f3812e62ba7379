"""Moments as text, in the time zone of the night's settings."""

from __future__ import annotations

from datetime import datetime

from nightschool.config.night import local
from nightschool.config.night_settings import NightSettings


def clock_text(night: NightSettings, at: float) -> str:
    """The time of a moment today, as "23:00"; of any other day with the date, as "Fri 27 Nov 23:00".

    The time zone follows if this computer's clock shows a different time.
    """
    shown = local(night, at)
    zone = "" if shown.utcoffset() == shown.astimezone().utcoffset() else f" {shown.tzinfo}"
    today = shown.date() == datetime.now(shown.tzinfo).date()
    return f"{shown:%H:%M}{zone}" if today else f"{shown:%a %d %b %H:%M}{zone}"


def iso_text(night: NightSettings, at: float | None) -> str | None:
    """A moment as ISO 8601 with its offset, to the second; None stays None."""
    return local(night, at).isoformat(timespec="seconds") if at is not None else None


def pause_text(night: NightSettings, until: float | None) -> str:
    """ "paused until 16:00", or until `nightschool resume` for a pause without an end."""
    return f"paused until {clock_text(night, until) if until else '`nightschool resume`'}"
