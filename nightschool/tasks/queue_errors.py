"""What is wrong with a queue, and what to do about it."""

from __future__ import annotations

import sqlite3

from redis import RedisError
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
)

from nightschool.config.errors import QueueError, first_line

BROKEN = (sqlite3.Error, OSError, RedisError, ValueError)
"""What a storage of Huey raises if it cannot be used."""

_SQLITE_HINT = (
    "make room or close the program that holds .nightschool/queue.db; you may also delete that file, since "
    "the ledger holds all that is needed"
)
_REDIS_HINT = 'start the Redis server, or set queue = "sqlite"'
_REDIS_HINTS: dict[type[Exception], str] = {
    AuthenticationError: 'set queue = "redis://:PASSWORD@HOST:PORT/0" with the password of the server',
    NoPermissionError: "let its user read and write the keys huey.*",
    OutOfMemoryError: "its memory is full: raise its maxmemory, or remove other data",
    ReadOnlyError: "it is a replica: name the server that may be written",
}
# The code is the first word of Redis's answer, and these two have no class of their own.
_REDIS_CODES = {
    "MISCONF": "it cannot save to its disk: make room there, and see its log",
    "DENIED": "it refuses other computers: set a password there, and in `queue`",
}


def explained(error: Exception, *, redis: bool) -> QueueError:
    """The error of a storage with its remedy."""
    return QueueError(f"the queue cannot be used ({first_line(error)})", _hint(error, redis))


def is_damaged(error: Exception) -> bool:
    """Whether a new, empty queue would help: the file is no queue, or the key holds something else."""
    if isinstance(error, sqlite3.DatabaseError):
        code = getattr(error, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in (
            sqlite3.SQLITE_ERROR,  # its tables are not the expected ones
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
            sqlite3.SQLITE_CONSTRAINT,
            sqlite3.SQLITE_MISMATCH,
            sqlite3.SQLITE_SCHEMA,
            # Also if the file was moved or deleted while it was open.
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_CANTOPEN,
        )
    return isinstance(error, RedisError) and str(error).startswith(
        ("WRONGTYPE", "Operation against")
    )


def _hint(error: Exception, redis: bool) -> str:
    if not redis:
        return _SQLITE_HINT
    for kind, hint in _REDIS_HINTS.items():
        if isinstance(error, kind):
            return hint
    return _REDIS_CODES.get(str(error).partition(" ")[0], _REDIS_HINT)
