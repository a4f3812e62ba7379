"""The ledger's table `attempts`: when a stage was worked on, how that ended, and how far it got."""

from __future__ import annotations

from nightschool.ledger.failures import Failures
from nightschool.ledger.outcomes import FRUITLESS, RETRIED, Outcome
from nightschool.ledger.records import Attempt, StageName, attempt_of
from nightschool.ledger.store import Store

_NEWEST_ATTEMPTS = 200


class AttemptTable(Store):
    """Reads attempts; `LeaseTable` writes them."""

    def attempts(self, since: float) -> list[Attempt]:
        """Of the newest thousand attempts, those that ended after `since` or have not ended; oldest first."""
        newest = "id > (SELECT max(id) FROM attempts) - 1000"
        return self._attempts(f"{newest} AND (ended IS NULL OR ended > ?)", since)

    def attempts_of(self, run: int) -> list[Attempt]:
        """All attempts of a run, oldest first."""
        return self._attempts("run = ?", run)

    def attempts_between(self, start: float, end: float) -> list[Attempt]:
        """The attempts of all runs that overlap the time between two moments, oldest first."""
        return self._attempts(
            "started < ? AND id IN (SELECT id FROM attempts WHERE ended > ? "
            "UNION SELECT id FROM attempts WHERE ended IS NULL)",
            end,
            start,
        )

    def seconds(self, run: int, stage: StageName | None = None) -> float:
        """The time worked on a run, or on one stage of it, including the attempt under way.

        Fruitless attempts do not count.
        """
        now = self._clock()
        return sum(
            (now if attempt.ended is None else attempt.ended) - attempt.started
            for attempt in self.attempts_of(run)
            if stage in (None, attempt.stage) and attempt.outcome not in FRUITLESS
        )

    def failures(self, run: int) -> Failures | None:
        """The failed attempts at the stage that a run tried last, since its last progress or `retry`.

        None if there are none. Attempts whose worker died, or that the policy or the owner stopped, do not
        count.
        """
        rows = self._rows(
            "SELECT a.* FROM attempts a JOIN stages s ON s.run = a.run AND s.name = a.stage "
            "WHERE a.run = ? AND a.outcome IS NOT NULL AND a.id > s.retried_after "
            f"ORDER BY a.id DESC LIMIT {_NEWEST_ATTEMPTS}",
            run,
        )
        failed = []
        for row in rows:
            if row["stage"] != rows[0]["stage"]:
                break
            if row["outcome"] in (Outcome.FINISHED, Outcome.CHUNK_DONE, Outcome.FAILED):
                break
            if row["outcome"] in RETRIED and not row["worker_died"]:
                failed.append(row)
            if (row["last_step"] or 0) > row["best_before"]:
                break
        if not failed:
            return None
        newest = attempt_of(failed[0])
        return Failures(newest.stage, len(failed), newest.ended or 0.0, newest.reason or "")

    def _attempts(self, condition: str, *values: float) -> list[Attempt]:
        rows = self._rows(f"SELECT * FROM attempts WHERE {condition} ORDER BY id", *values)
        return [attempt_of(row) for row in rows]
