"""The ledger's table `events`: the log of each run."""

from __future__ import annotations

from nightschool.ledger.records import Event, EventKind, StageName, event_of
from nightschool.ledger.store import Store


class EventTable(Store):
    """Reads and adds events."""

    def event(self, run: int, stage: StageName | None, kind: EventKind, message: str) -> None:
        """Add a line to a run's log."""
        with self._transaction():
            self._write_event(run, stage, kind, message)

    def events(self, run: int, after: int = 0, newest: int | None = None) -> list[Event]:
        """A run's events whose id is greater than `after`, oldest first; at most the `newest`, if given."""
        rows = self._rows(
            "SELECT * FROM events WHERE run = ? AND id > ? ORDER BY id DESC LIMIT ?",
            run, after, -1 if newest is None else newest,
        )  # fmt: skip
        return [event_of(row) for row in reversed(rows)]

    def count_events(self, run: int) -> int:
        ((count,),) = self._rows("SELECT count(*) FROM events WHERE run = ?", run)
        return int(count)

    def _write_event(
        self, run: int, stage: StageName | None, kind: EventKind, message: str
    ) -> None:
        self._db.execute(
            "INSERT INTO events (at, run, stage, kind, message) VALUES (?, ?, ?, ?, ?)",
            (self._clock(), run, stage, kind, message),
        )
