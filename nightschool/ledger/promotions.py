"""The ledger's table `promotions`: which run's model is the champion, and which were before."""

from __future__ import annotations

from datetime import datetime

from nightschool.config.errors import RequestError
from nightschool.ledger.records import EventKind, PromotedBy
from nightschool.ledger.runs import RunTable


class PromotionTable(RunTable):
    """Promotes and rolls back."""

    def promote(self, run: int) -> None:
        """Make a run's model the champion, at the owner's request; nothing changes if it already is.

        Raises RequestError if there is no such run, or its model was pruned or is damaged.
        """
        with self._transaction():
            self.run(run)
            if problem := self.model_damaged(run):
                raise RequestError(
                    f"the model of run {run} is damaged ({problem})",
                    "restore it from a backup, then `nightschool repair`; or use another",
                )
            if at := self.model_pruned(run):
                day = f"{datetime.fromtimestamp(at):%d %B %Y}"
                raise RequestError(
                    f"the model of run {run} was pruned on {day}",
                    "`nightschool run --new` trains another; storage.keep_runs sets how many are kept",
                )
            if self.promotions()[-1:] != [run]:
                self._write_promotion(run, PromotedBy.OWNER)

    def rollback(self) -> int | None:
        """Undo the newest promotion. Returns the run whose model is now the champion, None if there is none.

        Raises RequestError if no model is promoted.
        """
        with self._transaction() as db:
            promotions = self.promotions()
            if not promotions:
                raise RequestError("no model is promoted", "there is nothing to roll back")
            db.execute("DELETE FROM promotions WHERE id = (SELECT max(id) FROM promotions)")
            message = f"run {promotions[-1]} rolled back"
            self._write_event(promotions[-1], None, EventKind.STATE, message)
            return promotions[-2] if len(promotions) > 1 else None

    def promotions(self) -> list[int]:
        """The promoted runs, oldest first; the last one's model is the champion."""
        return [int(row["run"]) for row in self._rows("SELECT run FROM promotions ORDER BY id")]

    def model_pruned(self, run: int) -> float | None:
        """When the adapter of a run's model was deleted to save room; None if it was not."""
        rows = self._rows("SELECT at FROM prunings WHERE path = ?", f"models/run-{run}/adapter")
        return float(rows[0]["at"]) if rows else None

    def model_damaged(self, run: int) -> str:
        """What is damaged of a run's model, and could not be made again; "" if nothing is."""
        rows = self._rows("SELECT problem FROM damaged_models WHERE run = ?", run)
        return str(rows[0]["problem"]) if rows else ""

    def _write_promotion(self, run: int, by: PromotedBy) -> None:
        self._db.execute(
            "INSERT INTO promotions (run, at, by) VALUES (?, ?, ?)", (run, self._clock(), by)
        )
        who = {PromotedBy.COMPARISON: "the comparison", PromotedBy.OWNER: "you"}[by]
        self._write_event(run, None, EventKind.STATE, f"run {run} promoted by {who}")
