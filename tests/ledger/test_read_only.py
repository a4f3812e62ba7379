from __future__ import annotations

import hashlib
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from nightschool.config.errors import LedgerError
from nightschool.config.file_systems import FileSystem
from nightschool.ledger import journal, school_lock, store
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.schema import MIGRATIONS
from tests.ledger.claims import add


def content(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder is on a file system that other computers may write, and readers are other processes."""
    monkeypatch.setattr(store, "is_shared", lambda state: True)
    for module in (journal, school_lock):
        monkeypatch.setattr(module, "file_system", lambda folder: FileSystem("nfs", False))


@pytest.mark.parametrize("is_read", [True, False])
def test_a_newer_ledger_stays_as_it_is(tmp_path: Path, is_read: bool) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    before = content(tmp_path)
    with pytest.raises(LedgerError, match="a newer nightschool wrote"):
        Ledger(tmp_path / "ledger.db", writes=not is_read)
    assert content(tmp_path) == before


@pytest.mark.usefixtures("share")
def test_on_a_share_there_is_no_write_ahead_log_and_a_copy_is_read(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    with Ledger(file) as ledger:
        add(ledger)
        assert ledger._db.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
        with Ledger(file, writes=False) as reader:
            assert reader.count_runs() == 1
            add(ledger)
            assert reader.count_runs() == 1
            reader.refresh()
            assert reader.count_runs() == 2
    assert {f.name for f in tmp_path.iterdir()} == {"ledger.db", "school.lock.json", "runs"}


@pytest.mark.usefixtures("share")
def test_a_ledger_that_comes_to_a_share_leaves_its_write_ahead_log(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE other (x)")
        db.commit()
        shutil.copytree(tmp_path, tmp_path.parent / "copy")  # with a log that is not empty
    file = tmp_path.parent / "copy" / "ledger.db"
    with Ledger(file) as ledger:
        assert ledger._db.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
        assert ledger._db.execute("SELECT count(*) FROM other").fetchone()[0] == 0


@pytest.mark.usefixtures("share")
def test_a_ledger_that_is_written_all_the_time_is_read_whole(tmp_path: Path) -> None:
    file, over = tmp_path / "ledger.db", threading.Event()
    with Ledger(file) as ledger:
        add(ledger)

    def write() -> None:
        with Ledger(file, durable=False) as ledger:
            while not over.is_set():
                ledger.pause(None)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            with Ledger(file, writes=False) as ledger:
                assert ledger.count_runs() == 1
    finally:
        over.set()
        writer.join()
