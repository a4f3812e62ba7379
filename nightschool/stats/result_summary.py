"""The part of a stage's result that the ledger is asked for often; it loads no report types."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.ledger.records import Stage
from nightschool.stats.terms import Decision


class ResultSummary(BaseModel):
    """The part of the ledger's copy of a result that a night's summary needs; None if not measured."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    accuracy: float | None = None
    decision: Decision | None = None


def summary_of(stage: Stage) -> ResultSummary:
    """What the ledger's copy of a stage's result says in short; a copy that is unusable says nothing."""
    try:
        return ResultSummary.model_validate(stage.result or {})
    except ValidationError:
        return ResultSummary()
