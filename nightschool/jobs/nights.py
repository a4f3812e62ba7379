"""What retraining and the morning ask of the night's windows. Times are seconds since the epoch."""

from __future__ import annotations

from datetime import datetime, timedelta

from nightschool.config.night import closes, is_open, opens
from nightschool.config.settings import NightSettings


def is_near(night: NightSettings, now: float, ahead_s: float) -> bool:
    """Whether a window is open, or opens within so many seconds."""
    at = datetime.fromtimestamp(now)
    return is_open(night, at) or opens(night, at) - at <= timedelta(seconds=ahead_s)


def latest_window(night: NightSettings, now: float) -> tuple[float, float] | None:
    """The opening and closing of the window that opened last; it is open where the closing is to come.

    None where none did.
    """
    opened = opens(night, datetime.fromtimestamp(now)) - timedelta(days=1)
    return opened.timestamp(), closes(night, opened).timestamp()
