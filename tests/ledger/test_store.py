from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nightschool.config import files
from nightschool.config.errors import LedgerBusy, LedgerDenied, LedgerError, RequestError
from nightschool.ledger import store
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import Answerer, EventKind, StageName, Timing
from tests.ledger.claims import add, claimed


def test_version_changes_when_another_connection_changes_the_ledger(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    with Ledger(file) as one, Ledger(file) as other:
        before = one.version()
        assert one.version() == before
        one.pause(None)
        assert one.version() == before
        other.resume()
        assert one.version() != before


def test_a_lock_of_another_process_is_a_one_line_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ledger.db"
    with Ledger(file) as ledger:
        add(ledger)
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "db.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout and holder.stdout.readline().strip() == b"held"
    monkeypatch.setattr(store, "LOCKED_AFTER_S", 0.2)
    with Ledger(file) as ledger:
        with pytest.raises(LedgerBusy, match="another process has locked") as error:
            ledger.pause(None)
        assert "\n" not in str(error.value)
        assert len(ledger.runs()) == 1
    holder.communicate()
    with Ledger(file) as ledger:
        ledger.pause(None)


def test_a_lost_race_for_the_lock_counts_as_a_lock(ledger: Ledger) -> None:
    error = sqlite3.OperationalError("locking protocol")
    error.sqlite_errorcode = sqlite3.SQLITE_PROTOCOL
    with pytest.raises(LedgerBusy), ledger._explained():
        raise error


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "newer.db") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="a newer nightschool wrote"):
        Ledger(tmp_path / "newer.db")


def test_a_damaged_ledger_is_left_as_it_is(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"no database" * 100)
    with pytest.raises(LedgerError, match=r"is damaged .* `nightschool repair` makes"):
        Ledger(damaged)
    assert damaged.read_bytes() == b"no database" * 100


def test_another_program_s_database_is_left_as_it_is(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE runs (name TEXT)")
    with pytest.raises(LedgerError, match=r"is not a ledger .* puts this one aside"):
        Ledger(tmp_path / "other.db")
    with sqlite3.connect(tmp_path / "other.db") as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("runs",)]


def test_a_constraint_is_not_reported_as_damage(ledger: Ledger) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        ledger.record_exposure(99, Answerer.BASE, "d", "t")
    with pytest.raises(RequestError, match="there is no run 99"):
        ledger.promote(99)
    assert ledger.promotions() == []


def test_a_full_disk_rolls_back_and_a_later_write_succeeds(ledger: Ledger) -> None:
    run = add(ledger)
    (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerError, match="the disk is full"):
        ledger.event(run, None, EventKind.STATE, "x" * 100_000)
    assert [event.message for event in ledger.events(run)] == ["run 1 queued (goal: compare)"]
    ledger._db.execute("PRAGMA max_page_count = 1000000")
    ledger.event(run, None, EventKind.STATE, "there is space again")
    assert len(ledger.events(run)) == 2


def test_a_failed_commit_leaves_no_open_transaction(ledger: Ledger) -> None:
    class CommitFails:
        def __init__(self, db: sqlite3.Connection) -> None:
            self.db = db

        def __getattr__(self, name: str) -> object:
            return getattr(self.db, name)

        def execute(self, query: str, *values: Any) -> sqlite3.Cursor:
            if query == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return self.db.execute(query, *values)

    whole = ledger._db
    ledger._db = CommitFails(whole)  # type: ignore[assignment]
    with pytest.raises(sqlite3.OperationalError):
        ledger.pause(None)
    ledger._db = whole
    assert not ledger.control().paused
    ledger.pause(None)
    assert ledger.control().paused


def test_a_ledger_that_this_user_may_not_write_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(LedgerError, match=r"ledger.db cannot be used: not a regular file"):
        Ledger(tmp_path / "ledger.db")
    monkeypatch.setattr(files, "make_database", lambda file: None)
    with pytest.raises(LedgerError, match="full, read-only or failing"):
        Ledger(tmp_path / "ledger.db")
    monkeypatch.setattr(store, "forbidden", lambda path: True)
    with pytest.raises(LedgerDenied, match=r"ledger.db cannot be written: .* change who owns it"):
        Ledger(tmp_path / "ledger.db")


WRITERS: dict[str, Callable[[Ledger, int], object]] = {
    "add_run": lambda ledger, run: ledger.add_run({}, StageName.PREP, Timing.NOW),
    "queue_retraining": lambda ledger, run: ledger.queue_retraining({}, "new notes"),
    "raise_goal": lambda ledger, run: ledger.raise_goal(run, StageName.PREP, Timing.NOW),
    "cancel": lambda ledger, run: ledger.cancel(run),
    "retry": lambda ledger, run: ledger.cancel(run) and ledger.retry(run),
    "claim": lambda ledger, run: ledger.claim(run, "worker"),
    "progress": lambda ledger, run: ledger.progress(claimed(ledger, run), 1, 2, None, None),
    "finish": lambda ledger, run: ledger.finish(claimed(ledger, run), {}),
    "interrupt": lambda ledger, run: ledger.interrupt(claimed(ledger, run), Outcome.LOST, ""),
    "fail": lambda ledger, run: ledger.fail(claimed(ledger, run), "no base model"),
    "take_over": lambda ledger, run: ledger.take_over(),
    "pause": lambda ledger, run: ledger.pause(None),
    "resume": lambda ledger, run: ledger.resume(),
    "decide": lambda ledger, run: ledger.decide(run, True, Reason.IN_WINDOW),
    "slept": lambda ledger, run: ledger.slept(0.0, "", ()),
    "event": lambda ledger, run: ledger.event(run, None, EventKind.STATE, ""),
    "record_exposure": lambda ledger, run: ledger.record_exposure(run, Answerer.BASE, "d", "t"),
    "promote": lambda ledger, run: ledger.promote(run),
    "rollback": lambda ledger, run: ledger.rollback(),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_method_reads_before_it_writes_is_in_its_transaction(
    ledger: Ledger, name: str
) -> None:
    run = add(ledger)
    ledger.promote(add(ledger))
    statements: list[str] = []
    ledger._db.set_trace_callback(statements.append)
    WRITERS[name](ledger, run)
    depth = 0
    for statement in statements:
        depth += statement.startswith("BEGIN IMMEDIATE")
        assert depth == 1, statement
        depth -= statement in ("COMMIT", "ROLLBACK")
    assert depth == 0
