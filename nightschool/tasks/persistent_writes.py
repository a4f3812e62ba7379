"""Writes to the ledger that wait while another program holds the file, or the disk is full."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from nightschool.config.errors import LedgerBusy, LedgerDiskFull, LedgerError

Write = Callable[[], object]
"""Writes something to the ledger."""

_RETRY_S = 1.0
_DEFERRED_RETRY_S = 10.0
_log = logging.getLogger(__name__)


def write_persistently(write: Write, give_up: Callable[[], bool] = lambda: False) -> None:
    """Write to the ledger; waits while another program holds it or the disk is full, and tries again.

    Raises LedgerError if the write fails in another way, or if `give_up` returns True.
    """
    reported = ""
    while True:
        try:
            write()
            return
        except (LedgerBusy, LedgerDiskFull) as error:
            if give_up():
                raise
            if str(error) != reported:
                reported = str(error)
                _log.warning("%s; retrying", error)
            time.sleep(_RETRY_S)


class DeferredWrites:
    """Writes to the ledger in order, now or later: the child must not wait while the ledger is held."""

    def __init__(self) -> None:
        self._pending: deque[Write] = deque()
        self._retry_at = 0.0

    def add(self, write: Write) -> None:
        """Write now; if that fails, with a later call or in `flush`."""
        self._pending.append(write)
        if time.monotonic() >= self._retry_at:
            try:
                self.flush()
            except LedgerError as error:
                if not self._retry_at:
                    _log.warning("%s; retrying", error)
                self._retry_at = time.monotonic() + _DEFERRED_RETRY_S

    def flush(self) -> None:
        """Write all that is pending. Raises LedgerError."""
        while self._pending:
            self._pending[0]()
            self._pending.popleft()
