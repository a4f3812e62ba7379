"""The repair of a school: its ledger first, then every file that the ledger has a record of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import filelock

from nightschool.config.errors import WorkerRunning, first_line
from nightschool.config.paths import School
from nightschool.jobs.presence import worker_alive
from nightschool.jobs.repair.file_repair import RunRepair
from nightschool.jobs.repair.finding import Finding, RepairRemedy
from nightschool.jobs.repair.lost_ledger import LostLedger, lost_ledger, make_again, put_aside
from nightschool.jobs.repair.sources import RunSources
from nightschool.jobs.repair.state_repair import drop_damaged_state, repair_split_assignments
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.lost import listed_runs
from nightschool.ledger.records import RunState
from nightschool.ledger.run_files import NAME, read_run_file


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
        if not (dry and lost and lost.problem) and school.ledger_file.exists():
            with Ledger(school.ledger_file, writes=not dry) as ledger:
                yield from _of_files(school, ledger, aside, dry)
            yield from drop_damaged_state(school, aside, dry)


def _of_files(school: School, ledger: Ledger, aside: Path, dry: bool) -> Iterator[Finding]:
    """Split assignments and run files first: what is made again from the notes needs them."""
    runs = sorted(ledger.run_numbers())
    yield from repair_split_assignments(school, ledger, aside, dry)
    for run in sorted(set(runs) - ledger.unwritten_run_files()):
        yield from _of_run_file(school, ledger, run, aside, dry)
    artifacts = {path: each for run in runs for path, each in ledger.artifacts(run).items()}
    shown: set[Finding] = set()
    # What a finished run loses is put aside; an unfinished one that needs the same goes back before that.
    unfinished = {run.id for run in ledger.runs() if run.state is not RunState.DONE}
    for run in sorted(runs, key=lambda run: (run not in unfinished, run)):
        sources = RunSources(school, ledger, run, artifacts)
        for finding in RunRepair(sources, aside, dry).findings():
            if finding not in shown:  # runs may share a dataset
                shown.add(finding)
                yield finding


def _of_run_file(
    school: School, ledger: Ledger, run: int, aside: Path, dry: bool
) -> Iterator[Finding]:
    file = school.run_folder(run) / NAME
    try:
        read_run_file(file)
        return
    except FileNotFoundError:
        problem = "is missing"
    except (OSError, ValueError) as error:
        problem = f"is damaged ({first_line(error)})"
    if not dry:
        put_aside([file], aside)
        ledger.rewrite_run_file(run)
    yield Finding(f"runs/{run}/{NAME}", problem, RepairRemedy.MADE_AGAIN, "the ledger")


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
