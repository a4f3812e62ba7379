"""Reading a ledger that cannot be written: on a full or read-only disk, or of another user."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from nightschool.ledger.schema import MIGRATIONS, migrate


def open_read_only(file: Path, timeout_s: float) -> sqlite3.Connection:
    """A connection that reads the ledger and refuses to write; it creates nothing beside the file.

    Without a file it reads an empty ledger. Raises sqlite3.Error, OSError.
    """
    db = (
        _connect(":memory:", timeout_s) if not file.exists() else _first_that_reads(file, timeout_s)
    )
    ((version,),) = db.execute("PRAGMA user_version").fetchall()
    if version != len(MIGRATIONS):
        db = _in_memory(db, timeout_s)
        migrate(db)
    db.execute("PRAGMA query_only = ON")
    return db


def _first_that_reads(file: Path, timeout_s: float) -> sqlite3.Connection:
    """The ledger in place; a copy of it if it has a write-ahead log whose index cannot be made."""
    uri = file.resolve().as_uri()
    log = file.with_name(f"{file.name}-wal")
    try:
        return _connect(f"{uri}?mode=ro", timeout_s)
    except sqlite3.OperationalError:
        if not log.exists() or not log.stat().st_size:
            return _connect(f"{uri}?immutable=1", timeout_s)
    import shutil  # lazy: shutil
    import tempfile  # lazy: tempfile

    with tempfile.TemporaryDirectory(prefix="nightschool-", ignore_cleanup_errors=True) as folder:
        for path in (file, log):
            shutil.copyfile(path, Path(folder, path.name))
        return _in_memory(_connect(Path(folder, file.name).as_uri(), timeout_s), timeout_s)


def _in_memory(db: sqlite3.Connection, timeout_s: float) -> sqlite3.Connection:
    memory = _connect(":memory:", timeout_s)
    try:
        db.backup(memory)
    finally:
        db.close()  # Windows deletes no open file
    return memory


def _connect(database: str, timeout_s: float) -> sqlite3.Connection:
    uri = database.startswith("file:")
    db = sqlite3.connect(database, timeout=timeout_s, isolation_level=None, uri=uri)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except BaseException:
        db.close()
        raise
    return db
