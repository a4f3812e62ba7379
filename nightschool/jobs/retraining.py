"""Retraining as notes accumulate: looked for each evening, decided here, queued for the night.

The policy decides when a run may work; this decides that there is one. Whether its model replaces
the one in use is for the comparison to say.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from nightschool.config.errors import ChildError, ConfigError, LedgerError
from nightschool.config.night import is_near
from nightschool.config.paths import School
from nightschool.config.settings import NightSettings, RetrainSettings, Settings
from nightschool.config.settings_file import load
from nightschool.jobs.note_check import Asked, Seen, read_seen, write_seen
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Run
from nightschool.notes.new_notes import News
from nightschool.reports.text.wording import new_notes
from nightschool.tasks.child_queries import ask_for_note_changes

# So long before the window opens: to read many notes on a cold disk takes a minute.
AHEAD_S = 30 * 60.0
EVERY_S = 60 * 60.0
# 100,000 notes take 30 s from a cold disk; a network drive that hangs takes for ever.
LIMIT_S = 10 * 60.0

_log = logging.getLogger(__name__)


class RetrainingCheck:
    """Checks the notes once an hour near the night, each time in a thread and a child process of its own."""

    def __init__(self, school: School) -> None:
        self._school = school
        self._last: float | None = None
        """When the last check began, in seconds since the epoch."""
        self.thread: threading.Thread | None = None
        """The thread of the last check."""

    def start_if_due(self, night: NightSettings, now: float) -> None:
        """Start a check if one is due, which may queue a run. Cheap to call often.

        A check is due once an hour while a window is open or about to open. A problem is kept for
        `status` (see `note_check.hint`), and the next check tries again.
        """
        # A clock that was set back by hours makes a check due, too.
        if self._last is not None and abs(now - self._last) < EVERY_S:
            return
        if (self.thread and self.thread.is_alive()) or not is_near(night, now, AHEAD_S):
            return
        # A daemon thread: a network drive that hangs must not keep the worker from exiting.
        self.thread = threading.Thread(target=_look, args=(self._school, now), daemon=True)
        self._last = now
        self.thread.start()


def _look(school: School, now: float) -> None:
    try:
        run = look(school, now)
    except (LedgerError, OSError) as error:  # held by another program, or read-only
        _log.warning("the notes could not be looked at: %s", error)
        return
    if run:
        _log.warning("run %d is %s", run.id, run.reason)


def look(school: School, now: float, limit_s: float = LIMIT_S) -> Run | None:
    """Look at the notes now, keep what was found, and return the run that was queued, if one was.

    Raises LedgerError, or OSError where nothing can be written.
    """
    kept = read_seen(school.seen_file)
    with Ledger(school.ledger_file) as ledger:
        since, newest = ledger.newest_reader(), ledger.newest_run()
        if since is None or newest is None:
            return None  # the first run is its owner's to ask for
        try:
            settings = load(school.settings_file)
            seen = _found(school, settings, kept, since, now, limit_s)
        except (ChildError, ConfigError) as error:
            write_seen(school.seen_file, replace(kept, at=now, problem=str(error)))
            return None
        why = "" if ledger.next_run() else _why(seen, settings.retrain, newest, now)
        if why and seen.news:
            seen = replace(seen, asked=Asked(newest.id, since, seen.news.new, seen.news.grown))
        # Kept first: if the worker dies now, `Asked.newest` tells that no run came of it.
        write_seen(school.seen_file, seen)
        return ledger.queue_retraining(settings.model_dump(), why) if why else None


def _found(
    school: School, settings: Settings, kept: Seen, since: int, now: float, limit_s: float
) -> Seen:
    known = kept.news is not None and kept.news.run == since
    last = kept.fingerprint if known else ""
    changes = ask_for_note_changes(school, settings, since, last, limit_s)
    if changes.problem:
        return replace(kept, at=now, problem=changes.problem)
    news = changes.news or kept.news
    assert news
    return Seen(now, changes.fingerprint, news, kept.asked, _missing(news))


def _missing(news: News) -> str:
    """Why these notes are no reason to train, though some are new."""
    if 2 * news.now >= news.before:
        return ""
    return (
        f"only {news.now} labelled notes are there, where run {news.run} read {news.before}: is a drive "
        "missing? If not, `nightschool run --tonight`"
    )


def _why(seen: Seen, retrain: RetrainSettings, newest: Run, now: float) -> str:
    if seen.problem or seen.news is None:
        return ""
    asked = seen.asked
    if asked and (asked.since != seen.news.run or newest.id <= asked.newest):
        asked = None  # another run has read the notes since, or none came of it
    return why_retrain(seen.news, retrain, now - newest.created, asked)


def why_retrain(
    news: News, retrain: RetrainSettings, since_last_s: float, asked: Asked | None = None
) -> str:
    """Why a run is to be queued, in words; "" where none is.

    `since_last_s` is the time since the newest run was queued. Notes that a run was `asked` for count
    as known, though it failed or was cancelled before it read them: more have to come.
    """
    more = news.new - (asked.new if asked else 0)
    grown = set(news.grown) - set(asked.grown if asked else ())
    if not retrain.on or more <= 0:
        return ""
    # Far in the future, it was queued by a clock that has been put back since.
    late = bool(retrain.every) and abs(since_last_s) >= retrain.every_s
    if (retrain.min_new and more >= retrain.min_new) or grown:
        return new_notes(news)
    if late:
        return f"{new_notes(news)}, {retrain.every} (retrain.every)"
    return ""
