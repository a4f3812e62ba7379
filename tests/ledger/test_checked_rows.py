"""Rows of a ledger whose values have other types than this program writes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from nightschool.config.errors import LedgerError
from nightschool.ledger.checked_rows import TYPES
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.schema import migrate
from tests.ledger.claims import add, claimed

NAMES = {"INTEGER": (int,), "REAL": (float, int), "TEXT": (str,)}
VALUES = ["x", b"\xff", 1e300, float("inf"), -5, 2**62, "[1]", ""]


def columns(db: sqlite3.Connection) -> dict[tuple[str, str], str]:
    tables = db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    )
    return {
        (table, name): kind
        for (table,) in tables.fetchall()
        for _, name, kind, *_ in db.execute(f"PRAGMA table_info({table})")
    }


def test_the_type_of_every_column_is_known() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db)
    assert {name: NAMES[kind] for (_, name), kind in columns(db).items()} == dict(TYPES)


def test_a_value_of_another_type_is_an_error_of_the_ledger_or_harmless(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        run = add(ledger)
        ledger.progress(claimed(ledger, run), 1, 9, 0.5, 60.0)
        db, refused = ledger._db, 0
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("PRAGMA foreign_keys = OFF")
        for table, name in columns(db):
            for value in VALUES:
                db.execute("BEGIN")
                try:
                    db.execute(f"UPDATE {table} SET {name} = ?", (value,))
                    read_all(ledger)
                except LedgerError as error:
                    assert str(error).count("\n") == 0
                    refused += 1
                except sqlite3.IntegrityError:
                    pass  # SQLite refuses the value
                db.execute("ROLLBACK")
        assert refused > 50


def read_all(ledger: Ledger) -> None:
    for run in ledger.runs():
        ledger.stages(run.id)
        ledger.attempts_of(run.id)
        ledger.events(run.id)
        ledger.seconds(run.id)
    ledger.control()
