"""The ledger's tables `control` (one row) and `decisions`: the owner's pause, and the policy's decisions."""

from __future__ import annotations

from collections.abc import Container

from nightschool.ledger.outcomes import Reason, parse
from nightschool.ledger.records import Control, PastDecision, decision_of
from nightschool.ledger.store import Store


class ControlTable(Store):
    """Reads and changes the pause; records a row for each decision that differs from the one before."""

    def control(self) -> Control:
        (row,) = self._rows("SELECT * FROM control")
        until = row["paused_until"]
        paused = bool(row["paused"]) and (until is None or until > self._clock())
        return Control(
            paused=paused,
            paused_until=until if paused else None,
            run_allowed=bool(row["run_allowed"]),
            decision_reason=parse(Reason, row["decision_reason"]),
            decision_run=row["decision_run"],
        )

    def pause(self, until: float | None) -> None:
        """Pause all work until `until` (seconds since the epoch), or until `resume`."""
        with self._transaction() as db:
            db.execute("UPDATE control SET paused = 1, paused_until = ?", (until,))

    def resume(self) -> None:
        """End the pause."""
        with self._transaction() as db:
            db.execute("UPDATE control SET paused = 0, paused_until = NULL")

    def decide(self, run: int | None, allowed: bool, reason: Reason, detail: str = "") -> None:
        """Record the policy's newest decision, unless it equals the last one but for its detail."""
        with self._transaction():
            last = self.control()
            # Another thing may be wrong with the queue now.
            stale = reason is Reason.QUEUE_DOWN and [one.detail for one in self.decisions(1)] != [
                detail
            ]
            if stale or (last.decision_run, last.run_allowed, last.decision_reason) != (
                run,
                allowed,
                reason,
            ):
                self._write_decision(run, allowed, reason, detail)

    def decisions(self, newest: int) -> list[PastDecision]:
        """At most `newest` decisions, newest first."""
        rows = self._rows("SELECT * FROM decisions ORDER BY id DESC LIMIT ?", newest)
        return [decision_of(row) for row in rows]

    def decisions_between(self, start: float, end: float) -> list[PastDecision]:
        """The decisions in force at some time between two moments, oldest first."""
        rows = self._rows(
            "SELECT * FROM decisions WHERE at < ? AND id >= "
            "coalesce((SELECT id FROM decisions WHERE at <= ? ORDER BY at DESC, id DESC LIMIT 1), 0) "
            "ORDER BY id",
            end, start,
        )  # fmt: skip
        return [decision_of(row) for row in rows]

    def slept(self, since: float, detail: str, unaffected: Container[Reason]) -> None:
        """Record, after the computer has woken, that it slept from `since` on.

        Attempts under way end at `since`. The decision in force becomes WOKE from `since` on, unless its
        reason is in `unaffected`: such a reason applies whether or not the computer sleeps. A pause that
        ended during the sleep applies until its end.
        """
        now = self._clock()
        with self._transaction() as db:
            since = self._in_order(since)
            db.execute(
                "UPDATE attempts SET ended = max(started, ?) WHERE id IN (SELECT attempt FROM leases) "
                "OR (started < ? AND ended > ? AND ended <= ?)",
                (since, since, since, now),
            )
            (control,) = self._rows("SELECT * FROM control")
            reason, until = parse(Reason, control["decision_reason"]), control["paused_until"]
            pause_over = reason is Reason.PAUSED and until is not None and until < now
            if pause_over:
                since = max(since, until)
            if control["decision_run"] is not None and (pause_over or reason not in unaffected):
                self._write_decision(control["decision_run"], False, Reason.WOKE, detail, since)

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
        """The time to record for a decision that took effect at `at` but is recorded only now.

        It lies between the last decision and now, so that decisions stay in order of time.
        """
        last = self.decisions(1)
        return min(max(at, last[0].at if last else at), self._clock())
