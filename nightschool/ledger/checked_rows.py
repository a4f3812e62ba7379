"""The rows of a ledger from anyone: SQLite puts any type into any column."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from nightschool.ledger.foreign_schema import ForeignSchema

_INTEGERS = (
    "id", "run", "position", "step", "total_steps", "retried_after", "best_before", "last_step", "worker_died",
    "attempt", "one", "paused", "run_allowed", "decision_run", "allowed", "seed", "model_run", "bytes", "size",
    "notes", "retrain", "retraining", "forgetting", "learned",
)  # fmt: skip
_TIMES = ("created", "eta_s", "finished", "started", "ended", "at", "paused_until")
_TEXTS = (
    "state", "goal", "timing", "reason", "settings", "name", "result", "stage", "worker", "outcome", "host",
    "boot", "kind", "message", "decision_reason", "by", "detail", "answerer", "dataset", "test", "path",
    "sha256", "ids", "dataset_before", "dataset_after", "problem",
)  # fmt: skip
TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(_INTEGERS, (int,)),
    **dict.fromkeys(("loss", *_TIMES), (float, int)),
    **dict.fromkeys(_TEXTS, (str,)),
}
"""What the columns of all tables hold, by name."""
_MOST_SECONDS = 1e11
"""A time of the year 5138."""


def checked_row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> sqlite3.Row:
    """The row, for a connection's `row_factory`. Raises ForeignSchema if a value has another type."""
    for (name, *_), value in zip(cursor.description, values, strict=True):
        types = TYPES.get(name)
        if value is None or types is None:
            continue
        fits = isinstance(value, types)
        if not fits or (name in _TIMES and abs(value) > _MOST_SECONDS):
            raise ForeignSchema(f"holds {value!r:.40} as `{name}`")
    return sqlite3.Row(cursor, values)
