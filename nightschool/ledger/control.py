"""What the owner asked for, and what the policy decided, now and before."""

from __future__ import annotations

from nightschool.ledger.outcomes import Reason, parse
from nightschool.ledger.records import Control, PastDecision, decision_of
from nightschool.ledger.store import Store


class ControlTable(Store):
    """The ledger's tables `control` (one row) and `decisions` (a row for each change)."""

    def control(self) -> Control:
        (row,) = self._rows("SELECT * FROM control")
        paused = bool(row["paused"])
        if paused and row["paused_until"] is not None and row["paused_until"] <= self._clock():
            paused = False
        return Control(
            paused=paused,
            paused_until=row["paused_until"] if paused else None,
            run_allowed=bool(row["run_allowed"]),
            decision_reason=parse(Reason, row["decision_reason"]),
            decision_run=row["decision_run"],
        )

    def pause(self, until: float | None) -> None:
        """Let nothing run until `until` (seconds since the epoch), or until `resume`."""
        with self._transaction() as db:
            db.execute("UPDATE control SET paused = 1, paused_until = ?", (until,))

    def resume(self) -> None:
        with self._transaction() as db:
            db.execute("UPDATE control SET paused = 0, paused_until = NULL")

    def decide(self, run: int | None, allowed: bool, reason: Reason, detail: str = "") -> None:
        """Record the policy's newest decision; written only where it differs from the last."""
        current = self.control()
        if (current.decision_run, current.run_allowed, current.decision_reason) == (
            run,
            allowed,
            reason,
        ):
            return
        with self._transaction():
            self._write_decision(run, allowed, reason, detail)

    def _write_decision(
        self, run: int | None, allowed: bool, reason: Reason, detail: str, at: float | None = None
    ) -> None:
        self._db.execute(
            "UPDATE control SET decision_run = ?, run_allowed = ?, decision_reason = ?",
            (run, int(allowed), reason),
        )
        self._db.execute(
            "INSERT INTO decisions (at, run, allowed, reason, detail) VALUES (?, ?, ?, ?, ?)",
            (self._clock() if at is None else at, run, int(allowed), reason, detail),
        )

    def _in_order(self, at: float) -> float:
        """When to record a decision that is known only now and was so from `at` on: not before the last."""
        last = self.decisions(1)
        return min(max(at, last[0].at if last else at), self._clock())

    def decisions(self, newest: int) -> list[PastDecision]:
        """So many of the newest decisions, the newest first; one is there for each change."""
        rows = self._rows(
            "SELECT at, run, allowed, reason, detail FROM decisions ORDER BY id DESC LIMIT ?",
            newest,
        )
        return [decision_of(row) for row in rows]

    def decisions_between(self, start: float, end: float) -> list[PastDecision]:
        """Those that were in force at some time between two moments, oldest first."""
        rows = self._rows(
            "SELECT at, run, allowed, reason, detail FROM decisions WHERE at < ? AND id >= "
            "coalesce((SELECT max(id) FROM decisions WHERE at <= ?), 0) ORDER BY id",
            end, start,
        )  # fmt: skip
        return [decision_of(row) for row in rows]
