"""The repair of a school: its ledger first, then every file that the ledger has a record of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import filelock

from nightschool.config.errors import WorkerRunning
from nightschool.config.paths import School
from nightschool.jobs.presence import worker_alive
from nightschool.jobs.repair.finding import Finding, RepairRemedy
from nightschool.jobs.repair.lost_ledger import LostLedger, lost_ledger, make_again
from nightschool.ledger.lost import listed_runs


def repair(school: School, *, dry: bool = False) -> Iterator[Finding]:
    """Find what is damaged and make it again, or only say so (`dry`). Nothing is deleted.

    What is replaced is put aside in `.nightschool/set-aside/`. Raises WorkerRunning if a worker runs for the
    school, LedgerError, OSError.
    """
    if not school.state.is_dir():
        return
    with _without_worker(school, dry):
        aside = school.set_aside / f"{datetime.now():%Y-%m-%dT%H-%M-%S}"
        lost = lost_ledger(school)
        if lost and not dry:
            make_again(school, lost, aside)
        if lost:
            yield from _of_ledger(lost)


def _of_ledger(lost: LostLedger) -> Iterator[Finding]:
    runs = f"the files of {listed_runs(lost.runs)}"
    if lost.problem:
        detail = f"{runs}; their logs and times of work are lost, and so is a pause"
        yield Finding("ledger.db", lost.problem, RepairRemedy.MADE_AGAIN, detail)
    else:
        yield Finding("ledger.db", f"lacks {listed_runs(lost.runs)}", RepairRemedy.MADE_AGAIN, runs)
    for run in lost.incomplete:
        yield Finding(
            f"runs/{run}/run.json", "is missing or damaged", RepairRemedy.MADE_AGAIN,
            "its results; promotions by you, and its settings if it has no model, are not known",
        )  # fmt: skip


@contextmanager
def _without_worker(school: School, dry: bool) -> Iterator[None]:
    """Hold the work lock, so that no worker starts meanwhile. Raises WorkerRunning."""
    if dry:
        yield
        return
    lock = filelock.FileLock(school.work_lock, mode=0o600)
    try:
        lock.acquire(timeout=1)
    except filelock.Timeout:
        raise WorkerRunning(
            f"a worker (process {worker_alive(school) or 'unknown'}) runs for this school",
            "end it first (`nightschool service uninstall`, if it starts at login)",
        ) from None
    try:
        yield
    finally:
        lock.release()
