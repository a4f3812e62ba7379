"""The model in use before a run, and what it answered on the same test notes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nightschool.ledger.ledger import Ledger

if TYPE_CHECKING:
    from nightschool.tasks.work import Work


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The run whose model is in use. `answers` are in the test notes' order; empty: see `why_not`."""

    run: int
    answers: tuple[str, ...]
    why_not: str


def incumbent(work: Work, test: Sequence[str]) -> Incumbent | None:
    """The model that was in use before this run, with its recorded answers to the test notes (ids).

    A model that has not answered each of them cannot be compared on them: those that it has not been
    measured with may be notes that it learnt from.
    """
    with Ledger(work.school.ledger_file) as ledger:
        earlier = [run for run in ledger.promotions() if run != work.run]
    if not earlier:
        return None
    run = earlier[-1]
    try:
        file = work.school.run_folder(run) / "evaluate.json"
        answers = json.loads(file.read_text("utf-8"))["answers"]
        known = {id_: str(answers[id_]) for id_ in test if id_ in answers}
    except (OSError, ValueError, KeyError, TypeError):
        return Incumbent(run, (), f"its answers are gone (runs/{run}/evaluate.json)")
    if len(known) < len(test):
        return Incumbent(run, (), f"it has answered {len(known)} of these {len(test)} test notes")
    return Incumbent(run, tuple(known[id_] for id_ in test), "")
