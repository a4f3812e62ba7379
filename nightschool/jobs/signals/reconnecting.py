"""A connection that stays open, and is reopened some time after it was lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from nightschool.jobs.desktop.source_errors import SourceError
from nightschool.jobs.signals.polling import uptime_s

REST_S = 10.0


class Connection(Protocol):
    """Anything with a `close` method."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Connection)
A = TypeVar("A")


class Reconnecting(Generic[C]):
    """Opens a connection on first use and closes it when a question raises; for one thread."""

    def __init__(self, open_connection: Callable[[], C]) -> None:
        self._open = open_connection
        self._connection: C | None = None
        self._problem = ""
        self._retry_at = 0.0

    def ask(self, question: Callable[[C], A]) -> A:
        """The answer to a question, a function of the connection. Raises SourceError."""
        try:
            if self._connection is None:
                if uptime_s() < self._retry_at:
                    raise SourceError(self._problem)
                self._connection = self._open()
            return question(self._connection)
        except SourceError as error:
            if uptime_s() >= self._retry_at:
                self._problem, self._retry_at = str(error), uptime_s() + REST_S
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            raise
