"""`runs/N/run.json`: what the ledger alone knows of run N, so that a lost ledger can be made again.

Triggers collect the runs whose rows change (`changed_runs` in `schema.py`). After each transaction their files
are written anew; a file that cannot be written now stays collected for the next transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nightschool.config import bounded_json, files
from nightschool.config.checksums import verify_checksum, with_checksum

NAME = "run.json"
VERSION = 1
_AT_ONCE = 20
"""The most files that one transaction is followed by, such as after an upgrade."""

_ROWS = {
    "runs": "SELECT id, created, goal, timing, "
    "CASE state WHEN 'running' THEN 'queued' ELSE state END AS state, "
    "CASE WHEN state IN ('queued', 'running') THEN '' ELSE reason END AS reason, settings "
    "FROM runs WHERE id = ?",
    "stages": "SELECT run, name, position, finished, "
    "CASE state WHEN 'running' THEN 'waiting' ELSE state END AS state "
    "FROM stages WHERE run = ? ORDER BY position",
    "promotions": "SELECT run, at, by FROM promotions WHERE run = ? ORDER BY id",
    "prunings": "SELECT path, run, at, bytes FROM prunings WHERE run = ? ORDER BY path",
    "artifacts": "SELECT run, stage, path, sha256, size FROM artifacts WHERE run = ? ORDER BY path",
    "test_exposures": "SELECT at, run, answerer, seed, model_run, dataset, test "
    "FROM test_exposures WHERE run = ? ORDER BY id",
    "damaged_models": "SELECT run, at, problem FROM damaged_models WHERE run = ?",
    "forgettings": "SELECT id, at, notes, ids, retrain, retraining FROM forgettings "
    "WHERE id IN (SELECT forgetting FROM forgetting_runs WHERE run = ?) ORDER BY id",
    "forgetting_runs": "SELECT forgetting, run, learned, dataset_before, dataset_after "
    "FROM forgetting_runs WHERE run = ? ORDER BY forgetting",
}
"""By table: the rows of a run; results of stages have files of their own."""

RunRows = Mapping[str, list[dict[str, Any]]]
"""The rows of one run by table, as `_ROWS` selects them."""


def changed_runs(db: sqlite3.Connection) -> list[int]:
    """The runs whose files are to be written, newest first; not too many at once."""
    rows = db.execute("SELECT run FROM changed_runs ORDER BY run DESC LIMIT ?", (_AT_ONCE,))
    return [int(row[0]) for row in rows.fetchall()]


def write_run_files(db: sqlite3.Connection, state: Path) -> None:
    """Write the files of the changed runs, in a transaction of its own: a file is never ahead of the ledger.

    Errors of the disk are passed over.
    """
    with suppress(sqlite3.OperationalError):
        db.execute("BEGIN IMMEDIATE")
        try:
            for run in changed_runs(db):
                with suppress(OSError):
                    _write(db, state / "runs" / str(run) / NAME, run)
                    db.execute("DELETE FROM changed_runs WHERE run = ?", (run,))
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")


def _write(db: sqlite3.Connection, file: Path, run: int) -> None:
    tables = {
        table: [dict(row) for row in db.execute(query, (run,)).fetchall()]
        for table, query in _ROWS.items()
    }
    if not tables["runs"]:
        return
    content = {"version": VERSION, **{table: rows for table, rows in tables.items() if rows}}
    files.write(file, with_checksum(json.dumps(content, indent=1)))


def read_run_file(file: Path) -> RunRows:
    """The rows in a run's file. Raises OSError, ValueError if it is damaged or a newer version wrote it."""
    content = files.read(file)
    verify_checksum(content)
    data = bounded_json.loads(content)
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ValueError("another version wrote it")
    tables = {table: data.get(table, []) for table in _ROWS}
    for rows in tables.values():
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("its tables are not rows")
    if len(tables["runs"]) != 1:
        raise ValueError("it holds no run")
    return tables
