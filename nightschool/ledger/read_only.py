"""Reading a ledger that cannot be written, or that another computer may be writing."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from nightschool.config.errors import LedgerBusy
from nightschool.ledger.foreign_schema import restrict
from nightschool.ledger.schema import MIGRATIONS, migrate

_SUFFIXES = ("", "-wal", "-journal")
_TRIES, _PAUSE_S = 20, 0.05

Stamp = tuple[tuple[int, int] | None, ...]
"""Time of change and size of each file of a ledger; None: there is none."""


def open_read_only(file: Path, timeout_s: float) -> sqlite3.Connection:
    """A connection that reads the ledger and refuses to write; it creates nothing beside the file.

    Without a file it reads an empty ledger. Raises sqlite3.Error, OSError.
    """
    db = (
        _connect(":memory:", timeout_s) if not file.exists() else _first_that_reads(file, timeout_s)
    )
    return _current(db, timeout_s)


def open_copy(file: Path, timeout_s: float) -> tuple[sqlite3.Connection, Stamp]:
    """The same from a copy of the files as they were at one time, without a lock; and their stamp then.

    Raises also LedgerBusy.
    """
    damaged: sqlite3.DatabaseError | None = None
    for _ in range(_TRIES):
        before = stamp(file)
        if before[0] is None:
            return open_read_only(file, timeout_s), before
        try:
            db = _copied(file, timeout_s)
            ((problem,), *_) = db.execute("PRAGMA quick_check(1)").fetchall()
            if problem != "ok":
                raise sqlite3.DatabaseError(f"malformed: {problem}")
            if stamp(file) == before:
                return _current(db, timeout_s), before
            db.close()
        except sqlite3.DatabaseError as error:
            damaged = error
        time.sleep(_PAUSE_S)  # it is being written, or this computer's view of it is not up to date
    if damaged:
        raise damaged
    raise LedgerBusy(f"{file} is being written without a pause", "try again in a moment")


def stamp(file: Path) -> Stamp:
    """The state of a ledger's files, to compare with a later one."""
    found: list[tuple[int, int] | None] = []
    for suffix in _SUFFIXES:
        try:
            about = Path(f"{file}{suffix}").stat()
            found.append((about.st_mtime_ns, about.st_size))
        except FileNotFoundError:
            found.append(None)
    return tuple(found)


def _current(db: sqlite3.Connection, timeout_s: float) -> sqlite3.Connection:
    """The ledger in the schema of this version, closed to writes; an older one is migrated in memory."""
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
    return _copied(file, timeout_s)


def _copied(file: Path, timeout_s: float) -> sqlite3.Connection:
    """A copy in memory, with what the files beside the ledger add to it or take back."""
    import shutil  # lazy: shutil
    import tempfile  # lazy: tempfile

    with tempfile.TemporaryDirectory(prefix="nightschool-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder, file.name)
        shutil.copyfile(file, copy)
        for suffix in _SUFFIXES[1:]:
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{file}{suffix}", f"{copy}{suffix}")
        return _in_memory(_connect(copy.as_uri(), timeout_s), timeout_s)


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
        restrict(db)
    except BaseException:
        db.close()
        raise
    return db
