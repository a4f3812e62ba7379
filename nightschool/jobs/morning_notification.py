"""The morning: its owner is told once what the night did, or why nothing, when it is over and not at three."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

from nightschool.config.files import write
from nightschool.config.night import nights
from nightschool.config.paths import School
from nightschool.config.settings import NightSettings
from nightschool.ledger.ledger import Ledger
from nightschool.reports.night_summary import night_between
from nightschool.reports.text.night_text import Night, notification

# The last child writes its checkpoint first.
_SETTLED_S = 60.0
# Later that is no news: the computer was off since.
_STALE_S = 12 * 3600.0

Notify = Callable[[str, str], str | None]
"""Shows a title and a text; returns why not, or None."""

_log = logging.getLogger(__name__)


class MorningNotification:
    """Notifies the owner once about each night that ended."""

    def __init__(self, school: School, notify: Notify) -> None:
        self._school, self._notify = school, notify
        self._handled: float | None = None
        """When the night ended that was handled last, in seconds since the epoch."""

    def send_if_due(self, night: NightSettings, now: float) -> None:
        """Notify about the newest night that ended, unless that happened before.

        Sends nothing for a night without a run, or one that the owner paused. A night also ends when the
        next one begins. Cheap to call often; `now` is in seconds since the epoch. Raises LedgerError, or
        OSError if the notification cannot be recorded: then nothing is sent, and a later call retries.
        """
        over = [window for window in nights(night, now) if now >= window.closes + _SETTLED_S]
        if not over or self._handled == over[-1].closes:
            return
        opened, closed = over[-1].opens, over[-1].closes
        summary = None
        if now <= closed + _STALE_S and _read(self._school.told_file) != closed:
            with Ledger(self._school.ledger_file) as ledger:
                summary = night_between(ledger, opened, closed)
            if _is_news(summary):
                # Recorded before it is sent: no notification is better than two.
                _write(self._school.told_file, closed)
        self._handled = closed
        if summary and _is_news(summary) and (problem := self._notify(*notification(summary))):
            _log.info("no notification: %s", problem)


def _is_news(night: Night) -> bool:
    return night.worked_s > 0 or any(one.reason != "paused" for one in night.aside)


def newest_nights(ledger: Ledger, night: NightSettings, now: float) -> list[tuple[str, Night]]:
    """What to call the last night and the one under way, and what they did, in order.

    Only those in which a run was worked on or held up; once another is under way, the last is told while
    it is news.
    """
    found, begun = [], nights(night, now)
    under_way = [one for one in begun if now < one.closes]
    over = [one for one in begun if now >= one.closes]
    if under_way:
        over = [one for one in over if now <= one.closes + _STALE_S]
    for name, ones in (("last night", over[-1:]), ("tonight so far", under_way)):
        for one in ones:
            told = night_between(ledger, one.opens, min(now, one.closes))
            if told.runs or told.aside:
                found.append((name, told))
    return found


def _read(file: Path) -> float:
    """When the night ended that was told of last; 0 where none was."""
    try:
        return float(json.loads(file.read_text("utf-8"))["until"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0.0


def _write(file: Path, until: float) -> None:
    write(file, json.dumps({"until": until}), durable=False)
