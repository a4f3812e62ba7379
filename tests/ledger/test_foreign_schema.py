"""A ledger from somebody else: what would run by itself is refused before any query."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from nightschool.config.errors import LedgerLost
from nightschool.ledger import foreign_schema, store
from nightschool.ledger.ledger import Ledger
from nightschool.tasks.app import open_queue
from tests.conftest import MakeSchool
from tests.ledger.claims import add

ENDLESS = (
    "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) AS n FROM c)"
)
VIEW = f"CREATE VIEW runs AS SELECT * FROM kept, {ENDLESS}"
TRIGGER = f"CREATE TRIGGER t AFTER UPDATE ON runs BEGIN UPDATE runs SET id = {ENDLESS}; END"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "ledger.db"
    with Ledger(file) as ledger:
        add(ledger)
    return file


def change(file: Path, *statements: str) -> None:
    db = sqlite3.connect(file, isolation_level=None)
    for statement in statements:
        db.execute(statement)
    db.close()


@pytest.mark.parametrize(
    "statements",
    [
        ("PRAGMA legacy_alter_table = ON", "ALTER TABLE runs RENAME TO kept", VIEW),
        (TRIGGER,),
        (
            "PRAGMA writable_schema = ON",
            f"INSERT INTO sqlite_master VALUES ('table', 'other', 'other', 0, '{VIEW}')",
        ),
        ("CREATE TABLE a (x)", "CREATE VIEW b AS SELECT * FROM a"),
        ("CREATE VIRTUAL TABLE a USING fts5(x)",),
    ],
    ids=["view", "trigger", "disguised", "unused view", "virtual table"],
)
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("writes", [False, True])
def test_views_and_triggers_of_others_are_refused(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    statements: tuple[str, ...],
    shared: bool,
    writes: bool,
) -> None:
    change(file, *statements)
    monkeypatch.setattr(store, "is_shared", lambda folder: shared)
    with pytest.raises(LedgerLost, match=r"by itself|damaged"):
        Ledger(file, writes=writes)


def test_a_value_that_no_memory_holds_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_schema, "LONGEST_VALUE", 100_000)
    change(file, "UPDATE runs SET reason = CAST(zeroblob(200000) AS TEXT)")
    with Ledger(file, writes=False) as ledger, pytest.raises(LedgerLost, match="a value of more"):
        ledger.runs()


def test_a_queue_with_triggers_of_others_is_made_anew(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    open_queue(school, "sqlite").close()
    assert not foreign_schema.is_foreign(school.queue_file)
    change(school.queue_file, TRIGGER.replace("runs", "task"))
    assert foreign_schema.is_foreign(school.queue_file)
    queue = open_queue(school, "sqlite")
    assert queue.count() == 0 and not foreign_schema.is_foreign(school.queue_file)
    queue.close()


def test_a_ledger_of_its_own_is_opened_again(file: Path) -> None:
    for writes in (True, False):
        with Ledger(file, writes=writes) as ledger:
            assert len(ledger.run_numbers()) == 1
