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

    def events(self, run: int, after: int = 0) -> list[Event]:
        """A run's events whose id is greater than `after`, oldest first."""
        rows = self._rows("SELECT * FROM events WHERE run = ? AND id > ? ORDER BY id", run, after)
        return [event_of(row) for row in rows]

    def _write_event(
        self, run: int, stage: StageName | None, kind: EventKind, message: str
    ) -> None:
        self._db.execute(
            "INSERT INTO events (at, run, stage, kind, message) VALUES (?, ?, ?, ?, ?)",
            (self._clock(), run, stage, kind, message),
        )
