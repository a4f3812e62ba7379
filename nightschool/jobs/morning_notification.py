"""The morning's notification: what the night did, or why it did nothing; once, when the night ends."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

from nightschool.config import bounded_json
from nightschool.config.files import write
from nightschool.config.night import nights
from nightschool.config.paths import School
from nightschool.config.settings import NightSettings
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from nightschool.reports.night_summary import NightSummary, night_between
from nightschool.reports.text.night_text import notification

# Time for the last child to write its checkpoint.
_SETTLED_S = 60.0
# A notification that would come later, because the computer was off, is not sent.
_STALE_S = 12 * 3600.0

Notify = Callable[[str, str], str | None]
"""Shows a title and a text; returns None, or why it could not."""

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
        if now <= closed + _STALE_S and _read_notified(self._school.told_file) != closed:
            with Ledger(self._school.ledger_file) as ledger:
                summary = night_between(ledger, opened, closed)
            if _is_news(summary):
                # Recorded before it is sent: no notification is better than two.
                _write_notified(self._school.told_file, closed)
        self._handled = closed
        if summary and _is_news(summary) and (problem := self._notify(*notification(summary))):
            _log.info("no notification: %s", problem)


def _is_news(night: NightSummary) -> bool:
    return night.worked_s > 0 or any(
        interruption.reason != Reason.PAUSED for interruption in night.interruptions
    )


def newest_nights(
    ledger: Ledger, night: NightSettings, now: float
) -> list[tuple[str, NightSummary]]:
    """The last night and the current one, each with its name, oldest first.

    Leaves out nights without a run, and the last night if another is under way and the last one ended
    more than 12 hours ago.
    """
    begun = nights(night, now)
    current = [window for window in begun if now < window.closes]
    ended = [window for window in begun if now >= window.closes]
    if current:
        ended = [window for window in ended if now <= window.closes + _STALE_S]
    named = [("last night", window) for window in ended[-1:]]
    named += [("tonight so far", window) for window in current]
    summaries = [
        (name, night_between(ledger, window.opens, min(now, window.closes)))
        for name, window in named
    ]
    return [(name, summary) for name, summary in summaries if summary.runs or summary.interruptions]


def _read_notified(file: Path) -> float:
    """The end of the night that was notified last; 0 if there is none."""
    try:
        return float(bounded_json.read(file)["until"])
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return 0.0


def _write_notified(file: Path, until: float) -> None:
    write(file, json.dumps({"until": until}), durable=False)
