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
_told: dict[School, float] = {}


def tell_of_night(school: School, night: NightSettings, now: float, notify: Notify) -> None:
    """Tell of the newest night that is over, where nobody was told yet: what was done, or why nothing was.

    A night without a run is no news, nor is one that its owner paused. Where the next one begins with its
    end, it is over all the same. Cheap to call at each tick; `now` is in seconds since the epoch. Raises
    LedgerError, or OSError where it cannot be kept that it was told: then nothing was, and a later call
    does it.
    """
    over = [one for one in nights(night, now) if now >= one.closes + _SETTLED_S]
    if not over or _told.get(school) == over[-1].closes:
        return
    opened, closed = over[-1].opens, over[-1].closes
    told = None
    if now <= closed + _STALE_S and _read(school.told_file) != closed:
        with Ledger(school.ledger_file) as ledger:
            told = night_between(ledger, opened, closed)
        if _is_news(told):
            # Kept first: it is better to be told never than twice.
            _write(school.told_file, closed)
    _told[school] = closed
    if told and _is_news(told) and (refused := notify(*notification(told))):
        _log.info("no notification: %s", refused)


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
