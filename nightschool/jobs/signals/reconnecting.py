"""A connection that is kept open, and made again when it was lost, but not at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from nightschool.jobs.desktop.source_errors import SourceError
from nightschool.jobs.signals.polling import uptime_s

REST_S = 10.0


class Connection(Protocol):
    """What can be closed."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Connection)
A = TypeVar("A")


class Reconnecting(Generic[C]):
    """What `open_it` gives, for one thread at a time. A connection that raises is dropped."""

    def __init__(self, open_it: Callable[[], C]) -> None:
        self._open = open_it
        self._connection: C | None = None
        self._refusal = ""
        self._again = 0.0

    def ask(self, question: Callable[[C], A]) -> A:
        """The connection's answer. Raises SourceError."""
        try:
            if self._connection is None:
                if uptime_s() < self._again:
                    raise SourceError(self._refusal)
                self._connection = self._open()
            return question(self._connection)
        except SourceError as error:
            if uptime_s() >= self._again:
                self._refusal, self._again = str(error), uptime_s() + REST_S
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            raise
