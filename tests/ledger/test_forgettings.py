"""What the ledger's file holds after notes were forgotten."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from nightschool.config.errors import LedgerBusy
from nightschool.ledger.forgettings import AffectedRun
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import EventKind, StageName, Timing

SECRET = "hunter-2718"


def held(file: Path) -> list[str]:
    found = [path for path in file.parent.rglob("*") if path.is_file()]
    return [path.name for path in found if SECRET.encode() in path.read_bytes()]


def test_no_page_and_no_write_ahead_log_holds_earlier_content(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    with Ledger(file) as ledger, sqlite3.connect(file) as reader:
        run = ledger.add_run({}, StageName.COMPARE, Timing.NOW).id
        ledger.event(run, None, EventKind.WARNING, SECRET)
        number = ledger.begin_forgetting([SECRET], 1, [AffectedRun(run, 1, "d")], retrain=False)
        ledger.rewrite_texts(lambda text: text.replace(SECRET, "gone"))
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM events").fetchall()
        ledger._db.execute("PRAGMA busy_timeout = 20")
        with pytest.raises(LedgerBusy, match="still holds earlier content"):
            ledger.finish_forgetting(number, None)
        assert [one.done for one in ledger.forgettings()] == [False]
        reader.rollback()
        ledger.finish_forgetting(number, None)
        assert [one.done for one in ledger.forgettings()] == [True]
        assert [event.message for event in ledger.events(run)][1] == "gone"
        assert held(file) == []
