"""The ledger's tables `forgettings` and `forgetting_runs`: notes that their owner had forgotten.

While notes are being forgotten, their content ids are kept, so that a crash half-way is made good. After
that neither an id nor a name nor a text is left: an id is a hash, and a short text can be guessed from it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from nightschool.config.errors import LedgerBusy
from nightschool.ledger.artifacts import Artifact, ArtifactTable
from nightschool.ledger.records import StageName

_OWN = ("forgettings", "forgetting_runs", "sqlite_sequence")


@dataclass(frozen=True, slots=True)
class AffectedRun:
    """A run whose dataset held forgotten notes: `learned` of them for training or validation.

    The datasets are named by their fingerprints; `dataset_after` is "" until the dataset is rewritten.
    """

    run: int
    learned: int
    dataset_before: str
    dataset_after: str = ""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Notes that were forgotten together: how many, and the runs that had read them.

    `ids` are their content ids until all traces are erased. `retrain`: whether a run without them is to
    be queued; `retraining` is that run.
    """

    id: int
    at: float
    notes: int
    ids: frozenset[str]
    retrain: bool
    retraining: int | None
    runs: tuple[AffectedRun, ...]

    @property
    def done(self) -> bool:
        return not self.ids


class ForgettingTable(ArtifactTable):
    """Records what is being forgotten, and erases it from the ledger's own texts."""

    def begin_forgetting(
        self, ids: Iterable[str], notes: int, runs: Iterable[AffectedRun], *, retrain: bool
    ) -> int:
        """Record what is to be forgotten, before anything is erased; returns its number."""
        with self._transaction() as db:
            added = db.execute(
                "INSERT INTO forgettings (at, notes, ids, retrain) VALUES (?, ?, ?, ?)",
                (self._clock(), notes, json.dumps(sorted(ids)), int(retrain)),
            )
            db.executemany(
                "INSERT INTO forgetting_runs (forgetting, run, learned, dataset_before) "
                "VALUES (?, ?, ?, ?)",
                [(added.lastrowid, run.run, run.learned, run.dataset_before) for run in runs],
            )
            return added.lastrowid or 0

    def forgettings(self) -> list[Forgetting]:
        """Every forgetting, oldest first."""
        runs: dict[int, list[AffectedRun]] = {}
        for row in self._rows("SELECT * FROM forgetting_runs ORDER BY run"):
            affected = AffectedRun(
                row["run"], row["learned"], row["dataset_before"], row["dataset_after"] or ""
            )
            runs.setdefault(row["forgetting"], []).append(affected)
        return [
            _forgetting_of(row, tuple(runs.get(row["id"], ())))
            for row in self._rows("SELECT * FROM forgettings ORDER BY id")
        ]

    def learned_forgotten(self, run: int) -> int:
        """How many forgotten notes the model of a run learned from."""
        ((count,),) = self._rows(
            "SELECT coalesce(sum(learned), 0) FROM forgetting_runs WHERE run = ?", run
        )
        return int(count)

    def rename_dataset(
        self, before: str, after: str, test: str, artifacts: Sequence[Artifact]
    ) -> None:
        """Record that a dataset was rewritten: its fingerprints, that of its test notes, and its files."""
        with self._transaction() as db:
            former = f"datasets/{before[:16]}/*"
            rows = db.execute(
                "SELECT DISTINCT run, stage FROM artifacts WHERE path GLOB ?", (former,)
            ).fetchall()
            db.execute("DELETE FROM artifacts WHERE path GLOB ?", (former,))
            for row in rows:
                self._write_artifacts(row["run"], StageName(row["stage"]), artifacts)
            db.execute(
                "UPDATE forgetting_runs SET dataset_after = ? WHERE dataset_before = ? "
                "AND forgetting IN (SELECT id FROM forgettings WHERE ids != '[]')",
                (after, before),
            )
            db.execute(
                "UPDATE test_exposures SET dataset = ?, test = ? WHERE dataset = ?",
                (after[:16], test, before[:16]),
            )
            db.execute(
                "UPDATE stages SET result = "
                "json_set(result, '$.dataset', ?, '$.fingerprint', ?) "
                "WHERE name = 'prep' AND json_extract(result, '$.dataset') = ?",
                (after[:16], after, before[:16]),
            )

    def rewrite_texts(self, rewrite: Callable[[str], str]) -> None:
        """Replace every text in every table by `rewrite(text)`."""
        with self._transaction() as db:
            names = [
                row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            for table in names:
                if table in _OWN:
                    continue
                for column in db.execute(f"PRAGMA table_info({table})").fetchall():
                    if column["type"] == "TEXT":
                        _rewrite_column(db, table, column["name"], rewrite)

    def finish_forgetting(self, forgetting: int, retraining: int | None) -> None:
        """Overwrite what the file still holds of earlier content, then drop the ids.

        Raises LedgerBusy if another process reads old content; the next `forget` repeats it.
        """
        self.compact()
        with self._explained():
            self._db.execute("PRAGMA secure_delete = ON")  # deleted content becomes zeros
        with self._transaction() as db:
            db.execute(
                "UPDATE forgettings SET retraining = coalesce(retraining, ?), ids = '[]' WHERE id = ?",
                (retraining, forgetting),
            )
        with suppress(LedgerBusy):
            self.compact()

    def compact(self) -> None:
        """Rewrite the file without free pages, and empty the write-ahead log. Raises LedgerBusy."""
        with self._explained():
            self._db.execute("VACUUM")
            ((busy, *_),) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if busy:
            raise LedgerBusy(
                "another process reads the ledger, which still holds earlier content",
                "wait until it has ended, then run `nightschool forget` again",
            )


def _rewrite_column(
    db: sqlite3.Connection, table: str, column: str, rewrite: Callable[[str], str]
) -> None:
    rows = db.execute(f"SELECT rowid AS place, {column} AS text FROM {table}").fetchall()
    changed = [
        (new, row["place"])
        for row in rows
        if isinstance(row["text"], str) and (new := rewrite(row["text"])) != row["text"]
    ]
    db.executemany(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", changed)


def _forgetting_of(row: sqlite3.Row, runs: tuple[AffectedRun, ...]) -> Forgetting:
    return Forgetting(
        row["id"], row["at"], row["notes"], frozenset(json.loads(row["ids"])), bool(row["retrain"]),
        row["retraining"], runs,
    )  # fmt: skip
