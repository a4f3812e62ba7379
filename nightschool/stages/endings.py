"""How a job ends that a child process performs."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from nightschool.ledger.artifacts import Artifact
from nightschool.ledger.outcomes import Outcome, Reason


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a stage, of a chunk of a stage, or of a query."""

    outcome: Outcome | Reason
    reason: str = ""
    """Why, in words, if the outcome is not `finished`."""
    result: BaseModel | None = None
    """What the job produced, if the outcome is `finished`."""
    artifacts: tuple[Artifact, ...] = ()
    """The files of a stage that is finished."""
