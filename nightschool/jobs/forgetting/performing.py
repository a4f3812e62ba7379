"""Forgetting notes at the owner's request: work stops, all traces are erased, and a run is queued."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nightschool.config.errors import RequestError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.config.settings_file import load
from nightschool.jobs.forgetting.erasure import erase, files_with_traces
from nightschool.jobs.forgetting.selection import Selection, select_ids
from nightschool.jobs.presence import worker_alive
from nightschool.jobs.requests import enqueue_run
from nightschool.ledger.forgettings import Forgetting
from nightschool.ledger.ledger import Ledger
from nightschool.reports.text.wording import counted

_STOPS_WITHIN_S = 30.0
_PAUSE_S = 30 * 60.0
"""If this process is killed, the pause ends by itself."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a request did: its number, the run that is queued, and files that still hold traces."""

    forgetting: int
    retraining: int | None
    left: tuple[str, ...]


def forget(
    school: School, settings: Settings, ledger: Ledger, selection: Selection, *, retrain: bool
) -> Forgotten:
    """Erase all traces of the selected notes, and queue a run without them.

    It is recorded first: after a crash, the next `forget` or the worker's start completes it. Raises
    RequestError if a run under way does not stop.
    """
    with _work_stopped(school, ledger):
        number = ledger.begin_forgetting(
            selection.traces.ids, selection.notes, selection.runs, retrain=retrain
        )
        (begun,) = (one for one in ledger.forgettings() if one.id == number)
        return _complete(school, settings, ledger, begun, selection)


def complete_forgettings(school: School, *, working: bool = False) -> list[Forgotten]:
    """Complete what a crash interrupted. `working`: no other process can work on the school's runs.

    Raises NightschoolError, OSError.
    """
    if not school.ledger_file.exists():
        return []
    with Ledger(school.ledger_file) as ledger:
        ledger.write_pending_run_files()
        pending = [one for one in ledger.forgettings() if not one.done]
        if not pending:
            return []
        settings = load(school.settings_file)
        if working:
            return [_resume(school, settings, ledger, one) for one in pending]
        with _work_stopped(school, ledger):
            return [_resume(school, settings, ledger, one) for one in pending]


def _resume(school: School, settings: Settings, ledger: Ledger, begun: Forgetting) -> Forgotten:
    return _complete(
        school, settings, ledger, begun, select_ids(school, settings, ledger, begun.ids)
    )


def _complete(
    school: School, settings: Settings, ledger: Ledger, begun: Forgetting, selection: Selection
) -> Forgotten:
    erase(school, ledger, selection)
    retraining = _queue_retraining(school, settings, ledger, begun) if begun.retrain else None
    ledger.finish_forgetting(begun.id, retraining)
    return Forgotten(begun.id, retraining, tuple(files_with_traces(school, selection.traces)))


def _queue_retraining(
    school: School, settings: Settings, ledger: Ledger, begun: Forgetting
) -> int | None:
    """Queue a run, unless an open one will train without the notes; None if no model learned from them."""
    if not any(affected.learned for affected in begun.runs):
        return None
    if run := ledger.queue_retraining(
        settings.model_dump(), f"without {counted(begun.notes, 'forgotten note')}"
    ):
        enqueue_run(ledger, school, settings, run)
        return run.id
    open_run = ledger.next_run()
    return open_run.id if open_run else None


@contextmanager
def _work_stopped(school: School, ledger: Ledger) -> Iterator[None]:
    """Pause all work, and wait until no child is at work; the owner's own pause stays."""
    paused = ledger.control().paused
    if not paused:
        ledger.pause(time.time() + _PAUSE_S)
    try:
        if not _waited(lambda: not ledger.at_work() or worker_alive(school) is None):
            raise RequestError("the run under way does not stop", "try again in a minute")
        yield
    finally:
        if not paused:
            ledger.resume()


def _waited(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _STOPS_WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
