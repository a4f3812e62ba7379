"""SQLite's journal: a write-ahead log on a local disk, and elsewhere one that needs no shared memory."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from nightschool.config.file_systems import file_system


def connect(file: Path, timeout_s: float) -> sqlite3.Connection:
    """A connection to a database whose journal `set_journal` must set before it is used by others."""
    db = sqlite3.connect(file, timeout=timeout_s, isolation_level=None)
    if not file_system(file.parent).local:  # a write-ahead log is then read without shared memory
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
    return db


def set_journal(db: sqlite3.Connection, file: Path) -> None:
    """Change the journal to the one that the file system can have; on a share, the caller alone writes."""
    if file_system(file.parent).local:
        db.execute("PRAGMA journal_mode = WAL")
    else:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA locking_mode = NORMAL")
