"""Making a ledger again that is lost, from the files of its runs."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nightschool.config import files
from nightschool.config.errors import LedgerLost
from nightschool.config.paths import School
from nightschool.jobs.repair.run_rows import found_run
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.lost import runs_beside

_BESIDE = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class LostLedger:
    """What is wrong with a ledger, the runs that it lacks, and those of them without a `run.json`."""

    problem: str
    """In words, such as "is gone"; "" if only runs are lacking."""
    runs: tuple[int, ...]
    incomplete: tuple[int, ...]


def lost_ledger(school: School) -> LostLedger | None:
    """What a ledger lacks; None if it is whole and knows every run. Changes nothing.

    Raises LedgerError if it cannot be read now, or a newer version wrote it.
    """
    problem = _problem(school)
    known: set[int] = set()
    if not problem and school.ledger_file.exists():
        with Ledger(school.ledger_file, writes=False) as ledger:
            known = set(ledger.run_numbers())
    runs = [run for run in runs_beside(school.ledger_file) if run not in known]
    if not problem and not runs:
        return None
    incomplete = [run for run in runs if not found_run(school, run)[1]]
    return LostLedger(problem, tuple(runs), tuple(incomplete))


def make_again(school: School, lost: LostLedger, aside: Path) -> None:
    """Put what is left of the ledger into a folder, and fill a new one; or add the runs that it lacks.

    The caller holds the work lock. Raises OSError, LedgerError.
    """
    if lost.problem:
        put_aside([Path(f"{school.ledger_file}{end}") for end in _BESIDE], aside)
    found = [found_run(school, run)[0] for run in lost.runs]
    with Ledger(school.ledger_file, anew=True) as ledger:
        ledger.restore(found)


def put_aside(paths: Iterable[Path], aside: Path) -> None:
    """Move files or folders out of the way; what does not exist is passed over. Raises OSError."""
    for path in paths:
        if not _is_there(path):
            continue
        files.make_folder(aside)
        number, target = 1, aside / path.name
        while _is_there(target):
            number += 1
            target = aside / f"{path.name}.{number}"
        files.replace(path, target)


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _problem(school: School) -> str:
    """What is wrong with the ledger's file; "" if it can be used, or there is none and there are no runs."""
    file = school.ledger_file
    try:
        about = file.lstat()
    except FileNotFoundError:
        return "is gone" if runs_beside(file) else ""
    if not stat.S_ISREG(about.st_mode):
        return "is not a regular file"
    try:
        with Ledger(file, writes=False) as ledger:
            ledger.check()
    except LedgerLost as error:
        return error.message.removeprefix(f"{file} ")
    return ""
