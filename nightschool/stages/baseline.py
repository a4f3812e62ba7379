"""The baseline stage: the untouched base model answers the test notes, as do the arms that need a model."""

from __future__ import annotations

from nightschool.stages.context import StageContext
from nightschool.stages.score_test_notes import score_test_notes
from nightschool.stats.stage_results import BaselineResult


def baseline(context: StageContext) -> BaselineResult:
    """Score the untouched base on the test notes."""
    scored, arms = score_test_notes(context)
    return BaselineResult(**dict(scored), arms=arms.measured, absent=arms.absent)
