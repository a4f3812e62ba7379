"""Runs with a frozen dataset, without a trained model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from nightschool.stages.context import StageContext
from nightschool.stages.prep import prep
from nightschool.stats.stage_results import write_record


def prepare(school: School, run: int | None = None, *, done: bool = True) -> int:
    """Freeze the notes of a run, by default of a new one, and record the later stages as done."""
    settings = load(school.settings_file)
    with Ledger(school.ledger_file) as ledger:
        if run is None:
            run = ledger.add_run(settings.model_dump(), StageName.COMPARE, Timing.NOW).id
        parent = SimpleNamespace(say=lambda kind, message: None)
        context = StageContext(school, run, settings, cast(Any, parent))
        write_record(context.folder / "prep.json", prep(context))
        while claim := ledger.claim(run, "worker"):
            ledger.finish(claim, {"reason": "inconclusive: too few notes"})
            if not done:
                break
    return run
