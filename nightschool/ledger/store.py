"""The file under the ledger: how it is opened, read, written, and what its errors mean."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from nightschool.config.errors import LedgerBusy, LedgerDenied, LedgerError
from nightschool.config.files import NOT_YOURS, denied, forbidden
from nightschool.ledger.schema import NewerLedger, migrate

LOCKED_AFTER_S = 5.0


class Store:
    """An open ledger file. Use it as a context manager, one in each thread."""

    def __init__(
        self, file: Path, clock: Callable[[], float] = time.time, *, durable: bool = True
    ) -> None:
        """`durable=False` waits for no disk: only for what may be lost, as a simulation."""
        self._clock = clock
        self._file = file
        with self._explained():
            file.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(file, timeout=LOCKED_AFTER_S, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
            self._db.execute("PRAGMA foreign_keys = ON")
            migrate(self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except NewerLedger as error:
            raise LedgerError(
                f"{self._file} was written by a newer nightschool (schema {error}): update nightschool"
            ) from None
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise LedgerBusy(
                    f"{self._file} is held by another process for more than {LOCKED_AFTER_S:.0f} s: "
                    "close the program that has it open, then try again"
                ) from None
            if "disk is full" in str(error):
                raise LedgerError(f"{self._file} cannot be written: the disk is full") from None
            if forbidden(self._file.parent) or forbidden(self._file):
                raise LedgerDenied(f"{self._file} cannot be written: {NOT_YOURS}") from None
            raise LedgerError(f"{self._file}: {error}: is the disk full or read-only?") from None
        except sqlite3.DatabaseError as error:
            raise LedgerError(
                f"{self._file} is damaged ({error}): move it away and go on with a new one "
                "(the folders runs/ and models/ keep their files)"
            ) from None
        except OSError as error:
            if denied(error):
                raise LedgerDenied(f"{error.filename} cannot be written: {NOT_YOURS}") from None
            raise LedgerError(f"{self._file}: {error.strerror}") from None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with self._explained():
            return self._db.execute(query, values).fetchall()

    def version(self) -> int:
        """A number that changes whenever another connection has changed the ledger."""
        ((number,),) = self._rows("PRAGMA data_version")
        return int(number)
