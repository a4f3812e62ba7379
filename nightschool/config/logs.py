"""The logs of processes: bounded in size, and each failure in them once."""

from __future__ import annotations

import io
import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from nightschool.config import files

LIMIT_BYTES = 1_000_000
"""A log that is larger is moved to `FILE.1`, and what was there is deleted."""
_REMEMBERED = 256
_AGAIN_S = 3600.0


class BoundedLog(io.TextIOBase):
    """A text file to append to that takes at most twice `LIMIT_BYTES`, with the file before it.

    Stands in for `sys.stderr`, so writing never raises: what a full disk refuses is lost.
    """

    def __init__(self, file: Path, limit: int = LIMIT_BYTES) -> None:
        """Raises OSError if the file cannot be written."""
        self._file, self._limit = file, limit
        rotate(file, limit)
        self._stream = self._open()

    def _open(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(files.open_log(self._file), encoding="utf-8", errors="replace")

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str, /) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
            if self._stream.tell() > self._limit:
                self._stream.close()  # Windows renames no open file
                rotate(self._file, self._limit)
                self._stream = self._open()
        return len(text)


def rotate(file: Path, limit: int = LIMIT_BYTES) -> None:
    """Move a log that is larger than the limit aside; it must not be open. Errors are ignored."""
    with suppress(OSError):
        if file.stat().st_size > limit:
            files.replace(file, file.with_name(file.name + ".1"))


def truncate(file: Path, limit: int = LIMIT_BYTES) -> None:
    """Empty a log that is larger than the limit, while another process appends to it. Errors are ignored."""
    with suppress(OSError):
        if file.stat().st_size > limit:
            files.empty(file)


class OnceInAWhile(logging.Filter):
    """Lets a message pass once an hour, whatever its numbers; the next one says how many were left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = re.sub(r"\d+", "0", f"{record.name} {record.levelno} {record.getMessage()}")
        now = self._clock()
        first, left_out = self._seen.pop(key, (now - 2 * _AGAIN_S, 0))
        if now - first < _AGAIN_S:
            self._seen[key] = first, left_out + 1
            return False
        if left_out:
            times = "once" if left_out == 1 else f"{left_out} times"
            record.msg, record.args = f"{record.getMessage()} (and {times} in the hours before)", ()
        self._seen[key] = now, 0
        while len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True


def log_once() -> None:
    """Send warnings to the standard error, each once in a while; unless the process has another handler."""
    root = logging.getLogger()
    if not root.handlers:
        handler: logging.StreamHandler[Any] = logging.StreamHandler()
        handler.setLevel(logging.WARNING)
        handler.addFilter(OnceInAWhile())
        root.addHandler(handler)
