"""A database from somebody else runs nothing by itself, and holds no value that no memory does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from nightschool.ledger.schema import MIGRATIONS

LONGEST_VALUE = 1 << 28  # bytes


class ForeignSchema(Exception):
    """What a database holds or does that no ledger does; the text follows the name of the file."""


def restrict(db: sqlite3.Connection) -> None:
    """Limit the values of a database just opened. Raises ForeignSchema if it has views or triggers of others.

    A query would run them, and they may never end. What a row of the schema does depends on its SQL alone.
    """
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    others = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql NOT LIKE 'CREATE TABLE%' "
        "AND sql NOT LIKE 'CREATE INDEX%' AND sql NOT LIKE 'CREATE UNIQUE INDEX%'"
    )
    for name, sql in others:
        if not any(sql in migration for migration in MIGRATIONS):
            raise ForeignSchema(f"does something by itself that no ledger does ({name})")


def is_foreign(file: Path) -> bool:
    """Whether a database would run something by itself; False if it cannot be read now."""
    if not file.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db:
            restrict(db)
    except ForeignSchema:
        return True
    except sqlite3.Error:
        pass
    return False
