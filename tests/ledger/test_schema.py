from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from nightschool.ledger.ledger import Ledger
from nightschool.ledger.schema import MIGRATIONS, NewerLedger, migrate

LOOKS = (
    "base",
    "adapter",
    "adapter of seed 1 (2 of 3)",
    "adapter of run 12, in use",
    "other arms",
)
"""What version 0.1.0 wrote into its table `looks`."""


def opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None)


def ledger_of_version(file: Path, version: int) -> None:
    """A ledger as the first migrations made it, with a run and all that they can hold of it."""
    with opened(file) as db:
        for migration in MIGRATIONS[: min(version, 3)]:
            db.executescript(migration)
        db.execute(
            "INSERT INTO runs (created, state, goal, timing, settings) "
            "VALUES (0, 'done', 'compare', 'now', '{}')"
        )
        db.execute("INSERT INTO stages (run, name, position, state) VALUES (1, 'train', 2, 'done')")
        for attempt, (outcome, reason, ended) in enumerate([
            ("lost", "the worker ended without a word", 1000.0),
            ("lost", "its process ended with code -11", 2000.0),
            ("stopped", "the worker ended without a word", 3000.0),  # it was retried
            ("finished", "", 4000.0),
        ]):  # fmt: skip
            db.execute(
                "INSERT INTO attempts (run, stage, worker, started, ended, outcome, reason, best_before) "
                "VALUES (1, 'train', 'w', ?, ?, ?, ?, 0)",
                (1000.0 * attempt, ended, outcome, reason),
            )
        db.execute(
            "INSERT INTO events (at, run, stage, kind, message) VALUES (60, 1, 'train', 'state', '')"
        )
        if version >= 2:
            db.executemany(
                "INSERT INTO looks (at, run, what, dataset, test) VALUES (5, 1, ?, 'd', 't')",
                [(what,) for what in LOOKS],
            )
        if version >= 3:
            db.execute(
                "INSERT INTO decisions (at, run, allowed, reason, detail) "
                "VALUES (5, 1, 1, 'in_window', 'until 07:00')"
            )
        for migration in MIGRATIONS[3:version]:
            db.executescript(migration)
        db.execute(f"PRAGMA user_version = {version}")


def test_the_schema_is_as_documented(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db").close()
    with opened(tmp_path / "ledger.db") as db:
        names = [
            (kind, name)
            for kind, name in db.execute("SELECT type, name FROM sqlite_master ORDER BY type, name")
            if not name.startswith("sqlite_")
        ]
        columns = {
            name: [
                f"{column[1]} {column[2]}{' NOT NULL' if column[3] else ''}"
                for column in db.execute(f"PRAGMA table_info({name})")
            ]
            for kind, name in names
            if kind == "table"
        }
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert [name for kind, name in names if kind == "index"] == [
        "attempts_by_end", "attempts_by_run", "decisions_by_time", "events_by_run", "runs_by_state",
        "test_exposures_once",
    ]  # fmt: skip
    assert columns == {
        "artifacts": [
            "run INTEGER NOT NULL", "stage TEXT NOT NULL", "path TEXT NOT NULL",
            "sha256 TEXT NOT NULL", "size INTEGER NOT NULL",
        ],
        "attempts": [
            "id INTEGER", "run INTEGER NOT NULL", "stage TEXT NOT NULL", "worker TEXT NOT NULL",
            "started REAL NOT NULL", "ended REAL", "outcome TEXT", "reason TEXT",
            "best_before INTEGER NOT NULL", "last_step INTEGER", "worker_died INTEGER NOT NULL",
        ],
        "control": [
            "one INTEGER", "paused INTEGER NOT NULL", "paused_until REAL",
            "run_allowed INTEGER NOT NULL", "decision_reason TEXT NOT NULL", "decision_run INTEGER",
        ],
        "changed_runs": ["run INTEGER"],
        "damaged_models": ["run INTEGER", "at REAL NOT NULL", "problem TEXT NOT NULL"],
        "decisions": [
            "id INTEGER", "at REAL NOT NULL", "run INTEGER", "allowed INTEGER NOT NULL",
            "reason TEXT NOT NULL", "detail TEXT NOT NULL",
        ],
        "events": [
            "id INTEGER", "at REAL NOT NULL", "run INTEGER NOT NULL", "stage TEXT",
            "kind TEXT NOT NULL", "message TEXT NOT NULL",
        ],
        "forgetting_runs": [
            "forgetting INTEGER NOT NULL", "run INTEGER NOT NULL", "learned INTEGER NOT NULL",
            "dataset_before TEXT NOT NULL", "dataset_after TEXT",
        ],
        "forgettings": [
            "id INTEGER", "at REAL NOT NULL", "notes INTEGER NOT NULL", "ids TEXT NOT NULL",
            "retrain INTEGER NOT NULL", "retraining INTEGER",
        ],
        "leases": [
            "run INTEGER NOT NULL", "stage TEXT NOT NULL", "attempt INTEGER NOT NULL",
            "worker TEXT NOT NULL", "host TEXT NOT NULL", "boot TEXT NOT NULL",
        ],
        "promotions": ["id INTEGER", "run INTEGER NOT NULL", "at REAL NOT NULL", "by TEXT NOT NULL"],
        "prunings": [
            "path TEXT", "run INTEGER NOT NULL", "at REAL NOT NULL", "bytes INTEGER NOT NULL",
        ],
        "runs": [
            "id INTEGER", "created REAL NOT NULL", "state TEXT NOT NULL", "goal TEXT NOT NULL",
            "timing TEXT NOT NULL", "reason TEXT NOT NULL", "settings TEXT NOT NULL",
        ],
        "stages": [
            "run INTEGER NOT NULL", "name TEXT NOT NULL", "position INTEGER NOT NULL",
            "state TEXT NOT NULL", "step INTEGER NOT NULL", "total_steps INTEGER NOT NULL",
            "loss REAL", "eta_s REAL", "finished REAL", "result TEXT",
            "retried_after INTEGER NOT NULL",
        ],
        "test_exposures": [
            "id INTEGER", "at REAL NOT NULL", "run INTEGER NOT NULL", "answerer TEXT NOT NULL",
            "seed INTEGER", "model_run INTEGER", "dataset TEXT NOT NULL", "test TEXT NOT NULL",
        ],
    }  # fmt: skip


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_each_older_ledger_migrates_and_keeps_its_rows(tmp_path: Path, version: int) -> None:
    ledger_of_version(tmp_path / "old.db", version)
    with Ledger(tmp_path / "old.db") as ledger:
        assert [run.id for run in ledger.runs()] == [1]
        assert [stage.name for stage in ledger.stages(1)] == ["train"]
        assert [event.at for event in ledger.events(1)] == [60.0]
        exposures = [(e.answerer, e.seed, e.model_run) for e in ledger.exposures()]
        assert len(ledger.decisions(10)) == (1 if version >= 3 else 0)
    assert exposures == (
        []
        if version < 2
        else [
            ("base", None, None), ("adapter", None, None), ("adapter", 1, None),
            ("champion", None, 12), ("arms", None, None),
        ]
    )  # fmt: skip


def test_attempts_whose_worker_died_get_the_column_and_their_true_end(tmp_path: Path) -> None:
    ledger_of_version(tmp_path / "old.db", 3)
    with Ledger(tmp_path / "old.db") as ledger:
        ends = [attempt.ended for attempt in ledger.attempts_of(1)]
    assert ends == [60.0, 2000.0, 2000.0, 4000.0], "the last event, else the start"
    with opened(tmp_path / "old.db") as db:
        assert db.execute("SELECT worker_died FROM attempts").fetchall() == [(1,), (0,), (1,), (0,)]


def test_processes_that_migrate_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    ledger_of_version(tmp_path / "old.db", 1)
    start = threading.Barrier(4)
    exposures: list[int] = []

    def migrate_it() -> None:
        start.wait()
        with Ledger(tmp_path / "old.db") as ledger:
            exposures.append(len(ledger.exposures()))

    threads = [threading.Thread(target=migrate_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert exposures == [0] * 4


def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger_of_version(tmp_path / "old.db", 3)
    broken = (*MIGRATIONS[:3], "DROP TABLE looks;\nDROP TABLE no_such_table;\n")
    monkeypatch.setattr("nightschool.ledger.schema.MIGRATIONS", broken)
    with opened(tmp_path / "old.db") as db:
        with pytest.raises(sqlite3.OperationalError):
            migrate(db)
        assert not db.in_transaction
        assert db.execute("SELECT count(*) FROM looks").fetchone() == (len(LOOKS),)
        assert db.execute("PRAGMA user_version").fetchone() == (3,)


def test_a_newer_ledger_is_left_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "newer.db") as db:
        db.execute("PRAGMA user_version = 99")
        with pytest.raises(NewerLedger, match="99"):
            migrate(db)
        assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


class Interrupted(Exception):
    pass


class InterruptedConnection(sqlite3.Connection):
    """Fails at one statement, counted from 0."""

    at = 0

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self.at -= 1
        if self.at == -1:
            raise Interrupted
        return super().execute(*arguments)


def test_a_migration_that_is_interrupted_at_any_statement_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    ledger_of_version(file, 1)
    with opened(file) as db:
        before = "\n".join(db.iterdump())
    statements = 0
    while True:
        db = sqlite3.connect(file, isolation_level=None, factory=InterruptedConnection)
        db.at = statements
        try:
            migrate(db)
            break
        except Interrupted:
            statements += 1
        finally:
            db.close()
        with opened(file) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (1,)
            assert "\n".join(db.iterdump()) == before
    assert statements >= 20
