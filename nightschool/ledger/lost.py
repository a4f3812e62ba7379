"""A ledger that is missing or empty although files of runs lie beside it: nobody begins a new one there."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from nightschool.config.errors import LedgerLost

_MAX_LISTED = 5
REPAIR = "`nightschool repair` makes it again from the files of its runs"


def runs_beside(file: Path) -> list[int]:
    """The numbers of the runs whose results or models lie beside a ledger, in order."""
    state = file.parent
    names = [path.name for path in (state / "runs").glob("*")]
    names += [path.name.removeprefix("run-") for path in (state / "models").glob("run-*")]
    return sorted({int(name) for name in names if name.isascii() and name.isdecimal()})


def refuse_lost(file: Path) -> None:
    """Raise LedgerLost if the file is missing or has no bytes, and runs lie beside it."""
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        _refuse(file, "is gone")
    except OSError:
        return  # whoever opens it says why that fails
    else:
        if not size:
            _refuse(file, "is empty")


def refuse_empty(db: sqlite3.Connection, file: Path) -> None:
    """The same for a database without a run."""
    ((version,),) = db.execute("PRAGMA user_version").fetchall()
    tables = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchall()
    if (not version and not tables) or (
        tables and not db.execute("SELECT 1 FROM runs LIMIT 1").fetchall()
    ):
        _refuse(file, "is empty")


def _refuse(file: Path, how: str) -> None:
    if runs := runs_beside(file):
        verb = "is" if len(runs) == 1 else "are"
        raise LedgerLost(f"{file} {how}, but {listed_runs(runs)} {verb} there", REPAIR)


def listed_runs(runs: Sequence[int]) -> str:
    """Runs in words: "run 3", "runs 1 to 7", "runs 1, 2 and 9", "12 runs up to run 20"."""
    if not runs:
        return "no run"
    if len(runs) == 1:
        return f"run {runs[0]}"
    if len(runs) > 2 and runs[-1] - runs[0] == len(runs) - 1:
        return f"runs {runs[0]} to {runs[-1]}"
    if len(runs) > _MAX_LISTED:
        return f"{len(runs)} runs up to run {runs[-1]}"
    return f"runs {', '.join(map(str, runs[:-1]))} and {runs[-1]}"
