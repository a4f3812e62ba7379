"""The ledger's database file: opening, transactions, and errors in plain words."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from nightschool.config import files
from nightschool.config.errors import (
    LedgerBusy,
    LedgerDenied,
    LedgerDiskFull,
    LedgerError,
    LedgerLost,
    NightschoolError,
)
from nightschool.config.files import NOT_YOURS, denied, forbidden
from nightschool.config.permissions import make_private
from nightschool.ledger.checked_rows import checked_row
from nightschool.ledger.foreign_schema import LONGEST_VALUE, ForeignSchema, restrict
from nightschool.ledger.journal import connect, set_journal
from nightschool.ledger.lost import REPAIR, refuse_empty, refuse_lost
from nightschool.ledger.read_only import Stamp, open_copy, open_read_only, stamp
from nightschool.ledger.run_files import changed_runs, write_run_files
from nightschool.ledger.schema import MIGRATIONS, NewerLedger, migrate
from nightschool.ledger.school_lock import SchoolLock, is_shared, lock_to_write

LOCKED_AFTER_S = 5.0
"""How long a statement waits for another process's lock."""
_HEADER_BYTES = 100
_PUT_ASIDE = f"{REPAIR}, and puts this one aside"
_UNWRITABLE = (
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
)


class Store:
    """An open ledger file. Use it as a context manager, and open one per thread."""

    def __init__(
        self,
        file: Path,
        clock: Callable[[], float] = time.time,
        *,
        durable: bool = True,
        writes: bool = True,
        anew: bool = False,
    ) -> None:
        """Open the file, create it if it is missing, and migrate it.

        `durable=False` does not wait for the disk: only for data that may be lost, such as a simulation's.
        `writes=False` is for readers: they also read a ledger that cannot be written, as it is, and a copy
        of one that another computer may be writing; see `refresh`.
        `anew=True` opens an empty ledger also where runs lie beside it: only `repair` does, to fill it.
        Raises LedgerError, such as LedgerLost.
        """
        self._clock = clock
        self._file = file
        self._durable, self._anew = durable, anew
        if not anew:
            refuse_lost(file)
        self._lock: SchoolLock | None = None
        self._copied: Stamp | None = None
        with self._explained(opening=True):
            if not writes and is_shared(file.parent):
                self._db, self._copied = open_copy(file, LOCKED_AFTER_S)
                refuse_empty(self._db, file)
                self._db.row_factory = checked_row
                return
            try:
                self._db = self._opened()
            except (sqlite3.OperationalError, OSError) as error:
                if writes or not _unwritable(error):
                    raise
                self._db = open_read_only(file, LOCKED_AFTER_S)
                refuse_empty(self._db, file)
            self._db.row_factory = checked_row

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()
        self._unlock()

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock:
            lock.release()

    def refresh(self) -> None:
        """Show what has been written since, if a copy is read; otherwise every query does."""
        if self._copied is None:
            return
        with self._explained():
            if stamp(self._file) == self._copied:
                return
            newer, self._copied = open_copy(self._file, LOCKED_AFTER_S)
        self._db.close()
        self._db = newer
        self._db.row_factory = checked_row

    def version(self) -> int:
        """A number that changes whenever another connection changes the ledger."""
        ((number,),) = self._rows("PRAGMA data_version")
        return int(number)

    def check(self) -> None:
        """Raises LedgerLost if the file is damaged."""
        ((found,), *_) = self._rows("PRAGMA quick_check(1)")
        if found != "ok":
            raise LedgerLost(
                f"{self._file} is damaged ({' '.join(str(found).split())})", _PUT_ASIDE
            )

    def _opened(self) -> sqlite3.Connection:
        files.make_folder(self._file.parent)
        self._lock = lock_to_write(self._file.parent)
        try:
            files.make_database(self._file)
            return self._connected()
        except BaseException:
            self._unlock()
            raise

    def _connected(self) -> sqlite3.Connection:
        db = connect(self._file, LOCKED_AFTER_S)
        try:
            restrict(db)
            if not self._anew:
                refuse_empty(db, self._file)
            set_journal(db, self._file)
            db.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'OFF'}")
            db.execute("PRAGMA foreign_keys = ON")
            # Schools made by versions that did not do so; Windows has no mode that is quick to check.
            if self._migrate(db) or os.name == "posix":
                make_private(self._file.parent)
        except BaseException:
            db.close()  # Windows lets nobody move an open file away
            raise
        return db

    def _migrate(self, db: sqlite3.Connection) -> bool:
        try:
            return migrate(db)
        except sqlite3.OperationalError as error:
            if (
                error.sqlite_errorcode == sqlite3.SQLITE_ERROR
            ):  # its tables are not the expected ones
                raise LedgerLost(
                    f"{self._file} is not a ledger that this version can migrate ({error})",
                    _PUT_ASIDE,
                ) from error
            raise

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: what it reads stays true until it is committed."""
        with self._explained():
            if self._lock:
                self._lock.check()
            self._db.execute("BEGIN IMMEDIATE")
            changed: list[int] = []
            try:
                yield self._db
                if self._durable:
                    changed = changed_runs(self._db)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite itself rolls back when the disk is full
                    self._db.execute("ROLLBACK")
                raise
            if changed:
                write_run_files(self._db, self._file.parent)

    def write_pending_run_files(self) -> None:
        """Write the files of runs that a kill kept from being written; see `run_files`."""
        if changed_runs(self._db):
            write_run_files(self._db, self._file.parent)

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with self._explained():
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _explained(self, *, opening: bool = False) -> Iterator[None]:
        """Turn errors of the file into LedgerError; any other error of SQLite is a bug and passes."""
        try:
            yield
        except NewerLedger as error:
            raise _newer(self._file, error.args[0]) from None
        except ForeignSchema as error:
            raise LedgerLost(f"{self._file} {error}", _PUT_ASIDE) from None
        except sqlite3.DatabaseError as error:
            explained = self._explanation(error, opening)
            if explained is None:
                raise
            raise explained from error
        except OSError as error:
            if denied(error):
                raise LedgerDenied(f"{error.filename} cannot be written", NOT_YOURS) from None
            kind = LedgerDiskFull if files.no_room(error) else LedgerError
            raise kind(f"{error.filename or self._file} cannot be used: {error.strerror}") from None

    def _explanation(self, error: sqlite3.DatabaseError, opening: bool) -> NightschoolError | None:
        code = getattr(error, "sqlite_errorcode", None)  # the module's own errors have none
        match None if code is None else code & 0xFF:  # the primary code
            # SQLITE_PROTOCOL: the race for the lock of the write-ahead log was lost many times.
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
                return LedgerBusy(
                    f"another process has locked {self._file} for more than {LOCKED_AFTER_S:.0f} s",
                    "close the program that has it open, then try again",
                )
            case sqlite3.SQLITE_ERROR if not opening:
                return None
            # SQLITE_ERROR: a header that no SQLite writes.
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_ERROR:
                return LedgerLost(f"{self._file} is damaged ({error})", _PUT_ASIDE)
            case sqlite3.SQLITE_TOOBIG:
                return LedgerLost(
                    f"{self._file} holds a value of more than {LONGEST_VALUE:,} bytes", _PUT_ASIDE
                )
            case sqlite3.SQLITE_FULL:
                return LedgerDiskFull(
                    f"{self._file} cannot be written: the disk is full", "free some space"
                )
            case known if known in _UNWRITABLE:
                if forbidden(self._file.parent) or forbidden(self._file):
                    return LedgerDenied(f"{self._file} cannot be written", NOT_YOURS)
                return LedgerDiskFull(
                    f"{self._file} cannot be used ({error})",
                    "check whether its disk is full, read-only or failing",
                )
        return None


def _unwritable(error: sqlite3.OperationalError | OSError) -> bool:
    """Whether an error at opening may mean that the file or its folder cannot be written."""
    if isinstance(error, OSError):
        return denied(error) or files.no_room(error)
    return error.sqlite_errorcode & 0xFF in _UNWRITABLE


def refuse_newer_file(file: Path) -> None:
    """Raise LedgerError if a newer nightschool wrote a ledger, without opening it; it need not exist.

    Only for a process that is not connected to it: closing the file would end the connections' locks.
    """
    try:
        with files.open_regular(file) as stream:
            header = stream.read(_HEADER_BYTES)
    except OSError:
        return
    version = int.from_bytes(header[60:64], "big")  # https://www.sqlite.org/fileformat.html
    if header.startswith(b"SQLite format 3\0") and version > len(MIGRATIONS):
        raise _newer(file, version)


def _newer(file: Path, version: int) -> LedgerError:
    return LedgerError(
        f"a newer nightschool wrote {file} (schema {version}; this one knows {len(MIGRATIONS)})",
        "update nightschool; nothing was changed",
    )
