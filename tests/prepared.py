"""Runs that have frozen their notes for real, and trained on nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.stages.context import StageContext, write_json
from nightschool.stages.prep import prep


def prepare(school: School, run: int | None = None, *, done: bool = True) -> int:
    """Freeze the notes of a run, of a new one where none is named; record the stages after prep as done."""
    settings = load(school.settings_file)
    with Ledger(school.ledger_file) as ledger:
        if run is None:
            run = ledger.add_run(settings.model_dump(), "compare", "now").id
        parent = SimpleNamespace(say=lambda kind, message: None)
        work = StageContext(school, run, settings, cast(Any, parent))
        write_json(work.folder / "prep.json", prep(work))
        while claim := ledger.claim(run, "worker"):
            ledger.finish(claim, {"reason": "inconclusive: too few notes"})
            if not done:
                break
    return run
