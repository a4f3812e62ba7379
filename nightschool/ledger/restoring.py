"""Bringing runs back into a ledger that lacks them, and the models that cannot be brought back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nightschool.config import bounded_json
from nightschool.ledger.artifacts import ArtifactTable
from nightschool.ledger.outcomes import parse
from nightschool.ledger.promotions import PromotionTable
from nightschool.ledger.records import (
    STAGES,
    Answerer,
    EventKind,
    PromotedBy,
    RunState,
    StageName,
    StageState,
    Timing,
)
from nightschool.ledger.run_files import RunRows

_OF_RUNS = ("prunings", "artifacts", "test_exposures", "damaged_models")


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run as its files describe it: its rows, and the results of its stages as JSON objects."""

    rows: RunRows
    results: Mapping[StageName, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def run(self) -> int:
        return int(self.rows["runs"][0]["id"])


def check_rows(rows: RunRows, run: int) -> None:
    """Raises ValueError, KeyError or LedgerError if the rows are not those of this run."""
    (about,) = rows["runs"]
    if about["id"] != run or not isinstance(bounded_json.loads(about["settings"]), dict):
        raise ValueError(f"it is not about run {run}")
    parse(RunState, about["state"]), parse(StageName, about["goal"]), parse(Timing, about["timing"])
    if [parse(StageName, row["name"]) for row in rows["stages"]] != list(STAGES):
        raise ValueError("it lacks stages")
    for row in rows["stages"]:
        parse(StageState, row["state"])
    for row in rows["promotions"]:
        parse(PromotedBy, row["by"])
    for row in rows["test_exposures"]:
        parse(Answerer, row["answerer"])


class RestoringTable(PromotionTable, ArtifactTable):
    """Adds runs from their files, and marks models whose files are damaged."""

    def restore(self, found: Iterable[FoundRun]) -> list[int]:
        """Add the runs that the ledger lacks, with all that their files know; returns their numbers.

        Promotions and test exposures are brought into the order of their times.
        """
        with self._transaction() as db:
            known = set(self.run_numbers())
            runs = sorted((one for one in found if one.run not in known), key=lambda one: one.run)
            for one in runs:
                self._restore_run(one)
            for one in runs:
                for table in _OF_RUNS:
                    _insert(db, table, one.rows[table])
            self._restore_forgettings(runs)
            self._restore_promotions(runs)
            for one in runs:
                text = f"run {one.run} restored from its files; what its log held before is lost"
                self._write_event(one.run, None, EventKind.WARNING, text)
            return [one.run for one in runs]

    def _restore_run(self, one: FoundRun) -> None:
        _insert(self._db, "runs", one.rows["runs"])
        for row in one.rows["stages"]:
            result = one.results.get(StageName(row["name"]))
            text = None if result is None else json.dumps(result, ensure_ascii=False)
            _insert(self._db, "stages", [{**row, "result": text}])

    def _restore_forgettings(self, runs: Iterable[FoundRun]) -> None:
        """Forgettings have their numbers in several runs' files."""
        known = set(self.run_numbers())
        for one in runs:
            for row in one.rows["forgettings"]:
                retraining = row["retraining"] if row["retraining"] in known else None
                _insert(self._db, "forgettings", [{**row, "retraining": retraining}])
        for one in runs:
            _insert(self._db, "forgetting_runs", one.rows["forgetting_runs"])

    def _restore_promotions(self, runs: Iterable[FoundRun]) -> None:
        added = [row for one in runs for row in one.rows["promotions"]]
        if not added:
            return
        present = [
            dict(row) for row in self._rows("SELECT run, at, by FROM promotions ORDER BY id")
        ]
        self._db.execute("DELETE FROM promotions")
        _insert(self._db, "promotions", sorted([*present, *added], key=lambda row: row["at"]))

    def set_back(self, run: int, stage: StageName, why: str) -> None:
        """Let an unfinished run perform a stage and all after it again."""
        with self._transaction() as db:
            position = STAGES.index(stage)
            names = [name.value for name in STAGES[position:]]
            marks = ", ".join("?" for _ in names)
            db.execute(
                "UPDATE stages SET state = ?, result = NULL, finished = NULL, step = 0 "
                "WHERE run = ? AND position >= ?",
                (StageState.WAITING, run, position),
            )
            db.execute(f"DELETE FROM artifacts WHERE run = ? AND stage IN ({marks})", (run, *names))
            self._write_event(run, stage, EventKind.WARNING, f"{stage} is performed again: {why}")
            state = self.run(run).state
            if state in (RunState.WAITING, RunState.FAILED):
                self._set_run(run, RunState.QUEUED, why)

    def unwritten_run_files(self) -> set[int]:
        """The runs whose `run.json` is to be written with the next change, as after an upgrade."""
        return {int(row["run"]) for row in self._rows("SELECT run FROM changed_runs")}

    def rewrite_run_file(self, run: int) -> None:
        """Write a run's `run.json` anew."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO changed_runs VALUES (?)", (run,))

    def forget_artifact(self, path: str) -> None:
        """Remove the records of a file that nothing needs, or that is lost."""
        with self._transaction() as db:
            db.execute("DELETE FROM artifacts WHERE path = ?", (path,))

    def mark_damaged(self, run: int, problem: str) -> None:
        """Record that a run's model cannot be used, and end its promotions."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO damaged_models (run, at, problem) VALUES (?, ?, ?)",
                (run, self._clock(), problem),
            )
            db.execute("DELETE FROM promotions WHERE run = ?", (run,))
            self._write_event(run, None, EventKind.WARNING, f"its model is damaged: {problem}")

    def unmark_damaged(self, run: int) -> None:
        """Record that a run's model is whole again."""
        with self._transaction() as db:
            db.execute("DELETE FROM damaged_models WHERE run = ?", (run,))


def _insert(db: sqlite3.Connection, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows; columns that the table lacks are left out."""
    columns = {row["name"] for row in db.execute(f"PRAGMA table_info({table})").fetchall()}
    for row in rows:
        names = [name for name in row if name in columns]
        marks = ", ".join("?" for _ in names)
        db.execute(
            f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})",
            [row[name] for name in names],
        )
