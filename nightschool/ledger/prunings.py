"""The ledger's table `prunings`: which files of which run were deleted to save room, and when."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from nightschool.ledger.promotions import PromotionTable
from nightschool.ledger.records import RunState


@dataclass(frozen=True, slots=True)
class Prunable:
    """A file or folder that may go: `path` is a glob pattern in `.nightschool`, with "/"."""

    path: str
    run: int
    reason: str
    """Why nothing needs it, for people."""
    copy: str = ""
    """It may go only while this path in `.nightschool` exists; "": always."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """Something that was deleted: its pattern in `.nightschool`, its run, the time, and its size in bytes."""

    path: str
    run: int
    at: float
    bytes: int


@dataclass(frozen=True, slots=True)
class _RunFacts:
    id: int
    state: RunState
    trained: bool
    evaluated: bool
    dataset: str | None


class PruningTable(PromotionTable):
    """Says what may be deleted, and records what was."""

    def prunable(self, keep: int) -> list[Prunable]:
        """What no run, model or report needs, if the newest `keep` ended runs stay whole (0: all).

        The checkpoints and the second copy of the adapter of a published model always go. Older runs than
        `keep` also lose the model, the checkpoints with which `retry` would continue, and a dataset that no
        other run uses. Open and waiting runs, the newest run, every model that can be rolled back to and
        the run with which the retraining check compares stay whole. Results and reports always stay.
        """
        runs = self._run_facts()
        old = self._older(runs, keep)
        used = {run.dataset for run in runs if run.id not in old}
        parts: list[Prunable] = []
        for run in runs:
            if run.trained:
                parts += _after_publication(run)
            if run.id in old:
                parts += _of_old_run(run)
                if run.dataset and run.dataset not in used:
                    why = "no kept run uses this dataset"
                    parts.append(Prunable(f"datasets/{run.dataset}", run.id, why))
        return parts

    def record_prunings(self, sizes: Mapping[str, int], keep: int) -> list[Prunable]:
        """Record that paths are about to be deleted, with their bytes; returns those that may still go.

        What the ledger needs again by now, such as a model that was promoted meanwhile, is left out.
        """
        with self._transaction() as db:
            parts = [part for part in self.prunable(keep) if part.path in sizes]
            for part in parts:
                db.execute(
                    "INSERT OR REPLACE INTO prunings (path, run, at, bytes) VALUES (?, ?, ?, ?)",
                    (part.path, part.run, self._clock(), sizes[part.path]),
                )
                pattern = f"{part.path}/*"
                db.execute("DELETE FROM artifacts WHERE path GLOB ?", (pattern,))
            return parts

    def prunings(self) -> dict[str, Pruning]:
        """Everything that was deleted, by path."""
        rows = self._rows("SELECT * FROM prunings ORDER BY at, path")
        return {row["path"]: pruning_of(row) for row in rows}

    def _run_facts(self) -> list[_RunFacts]:
        rows = self._rows(
            "SELECT runs.id, runs.state, "
            "max(name = 'train' AND stages.state = 'done') AS trained, "
            "max(name = 'evaluate' AND stages.state = 'done') AS evaluated, "
            "max(CASE WHEN name = 'prep' THEN json_extract(result, '$.dataset') END) AS dataset "
            "FROM runs JOIN stages ON stages.run = runs.id GROUP BY runs.id ORDER BY runs.id"
        )
        return [
            _RunFacts(
                row["id"],
                RunState(row["state"]),
                bool(row["trained"]),
                bool(row["evaluated"]),
                row["dataset"],
            )
            for row in rows
        ]

    def _older(self, runs: list[_RunFacts], keep: int) -> set[int]:
        """The ended runs before the newest `keep` that nothing protects."""
        if not keep or not runs:
            return set()
        ended = (RunState.DONE, RunState.FAILED, RunState.CANCELLED)
        older = {run.id for run in [run for run in runs if run.state in ended][:-keep]}
        return older - {*self.promotions(), self.newest_run_with_notes(), runs[-1].id}


def pruning_of(row: sqlite3.Row) -> Pruning:
    """A row of `prunings`."""
    return Pruning(row["path"], row["run"], row["at"], row["bytes"])


def _after_publication(run: _RunFacts) -> list[Prunable]:
    folder, model = f"runs/{run.id}", f"models/run-{run.id}"
    parts = [
        Prunable(f"{folder}/checkpoints", run.id, "its model is published", f"{model}/model.json"),
        Prunable(f"{folder}/adapter", run.id, "models/ has the same", f"{model}/adapter"),
        Prunable(f"{folder}/seed-*/checkpoints", run.id, "its seeds are trained"),
    ]
    if run.evaluated:
        parts.append(Prunable(f"{folder}/seed-*/adapter", run.id, "its seeds are evaluated"))
    return parts


def _of_old_run(run: _RunFacts) -> list[Prunable]:
    why = "an older run than those that are kept"
    if run.trained:
        names = [f"models/run-{run.id}/adapter", f"runs/{run.id}/adapter"]
    else:
        names = [
            f"runs/{run.id}/{part}"
            for part in ("checkpoints", "adapter", "seed-*/checkpoints", "seed-*/adapter")
        ]
    return [Prunable(name, run.id, why) for name in names]
