"""Retraining as notes accumulate: a check near the night that may queue a run.

The policy decides when the run may work, and its comparison whether its model replaces the champion.
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
from nightschool.jobs.note_check import (
    NoteCheck,
    RequestedRun,
    read_note_check,
    write_note_check,
)
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Run
from nightschool.notes.new_notes import NewNotes
from nightschool.reports.text.wording import new_notes
from nightschool.tasks.child_queries import ask_for_note_changes

AHEAD_S = 30 * 60.0
"""How long before the window opens the checks begin."""
EVERY_S = 60 * 60.0
# 100,000 notes take 30 s from a cold disk; a network drive that hangs takes forever.
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
        self.thread = threading.Thread(
            target=_check_in_thread, args=(self._school, now), daemon=True
        )
        self._last = now
        self.thread.start()


def _check_in_thread(school: School, now: float) -> None:
    try:
        run = check_notes(school, now)
    except (LedgerError, OSError) as error:  # the ledger is busy, or the school is read-only
        _log.warning("the retraining check failed: %s", error)
        return
    if run:
        _log.warning("run %d is %s", run.id, run.reason)


def check_notes(school: School, now: float, limit_s: float = LIMIT_S) -> Run | None:
    """Check the notes, store the result, and return the run that was queued, if any.

    Raises LedgerError, or OSError if the result cannot be stored.
    """
    stored = read_note_check(school.seen_file)
    with Ledger(school.ledger_file) as ledger:
        since, newest = ledger.newest_run_with_notes(), ledger.newest_run()
        if newest is None:
            return None  # only the owner requests the first run
        try:
            settings = load(school.settings_file)
            if settings.retrain.on and ledger.has_given_up(newest.id):
                reason = f"run {newest.id} failed with an error that may have passed"
                return ledger.queue_retraining(settings.model_dump(), reason)
            if since is None:
                return None
            check = _compare(school, settings, stored, since, now, limit_s)
        except (ChildError, ConfigError) as error:
            write_note_check(school.seen_file, replace(stored, at=now, problem=str(error)))
            return None
        reason = "" if ledger.next_run() else _reason(check, settings.retrain, newest, now)
        if reason and check.news:
            requested = RequestedRun(newest.id, since, check.news.new, check.news.grown)
            check = replace(check, requested=requested)
        # Stored first: if the worker dies here, `requested.newest` shows that no run was queued.
        write_note_check(school.seen_file, check)
        return ledger.queue_retraining(settings.model_dump(), reason) if reason else None


def _compare(
    school: School, settings: Settings, stored: NoteCheck, since: int, now: float, limit_s: float
) -> NoteCheck:
    comparable = stored.news is not None and stored.news.run == since
    last = stored.fingerprint if comparable else ""
    changes = ask_for_note_changes(school, settings, since, last, limit_s)
    if changes.problem:
        return replace(stored, at=now, problem=changes.problem)
    news = changes.news or stored.news
    assert news
    problem = _missing_notes_problem(news)
    return NoteCheck(now, changes.fingerprint, news, stored.requested, problem)


def _missing_notes_problem(news: NewNotes) -> str:
    """Why new notes are no reason to train: more than half of the old ones are gone."""
    if 2 * news.now >= news.before:
        return ""
    return (
        f"only {news.now} of the {news.before} labelled notes that run {news.run} read are left: "
        "reconnect their drive, or `nightschool run --tonight` if that is intended"
    )


def _reason(check: NoteCheck, retrain: RetrainSettings, newest: Run, now: float) -> str:
    if check.problem or check.news is None:
        return ""
    requested = check.requested
    if requested and (requested.since != check.news.run or newest.id <= requested.newest):
        requested = None  # another run has read the notes since, or the run was never queued
    return retrain_reason(check.news, retrain, now - newest.created, requested)


def retrain_reason(
    news: NewNotes,
    retrain: RetrainSettings,
    since_last_s: float,
    requested: RequestedRun | None = None,
) -> str:
    """Why a run should be queued, in words; "" if none should.

    `since_last_s` is the time since the newest run was queued. Notes for which a run was `requested`
    do not count again, even if that run failed or was cancelled before it read them.
    """
    more = news.new - (requested.new if requested else 0)
    grown = set(news.grown) - set(requested.grown if requested else ())
    if not retrain.on or more <= 0:
        return ""
    # abs: the clock may have been set back since the newest run was queued.
    is_due = bool(retrain.every) and abs(since_last_s) >= retrain.every_s
    if (retrain.min_new and more >= retrain.min_new) or grown:
        return new_notes(news)
    if is_due:
        return f"{new_notes(news)}, {retrain.every} (retrain.every)"
    return ""
