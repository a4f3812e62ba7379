"""The jobs that a child process performs, as it receives them, and the answers to `ClassifyJob`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, TypeAdapter

from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.ledger.records import StageName


class _SchoolJob(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    root: Path
    """The school's folder."""

    @property
    def school(self) -> School:
        return School(self.root)


class StageJob(_SchoolJob):
    """Perform a stage of a run, or one chunk of it."""

    job: Literal["stage"] = "stage"
    run: PositiveInt
    stage: StageName


class NoteText(BaseModel):
    """A note to classify: where it is from, and its text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    text: str


class ClassifyJob(_SchoolJob):
    """Classify notes with the model of a run."""

    job: Literal["classify"] = "classify"
    run: PositiveInt
    notes: tuple[NoteText, ...]
    abstain: bool = False
    """Answer `none` if the most probable kind is less probable than the model's threshold."""


class ProbeJob(_SchoolJob):
    """Report the device, its memory and the base model."""

    job: Literal["probe"] = "probe"
    settings: Settings


class PlanJob(_SchoolJob):
    """Estimate the memory and time of a run."""

    job: Literal["plan"] = "plan"
    settings: Settings


class NoteChangesJob(_SchoolJob):
    """Compare the notes with those that a run read, unless their fingerprint is still the given one."""

    job: Literal["note_changes"] = "note_changes"
    settings: Settings
    run: PositiveInt
    fingerprint: str


ChildJob = StageJob | ClassifyJob | ProbeJob | PlanJob | NoteChangesJob
CHILD_JOB: TypeAdapter[ChildJob] = TypeAdapter(Annotated[ChildJob, Field(discriminator="job")])


class ClassifiedNote(BaseModel):
    """The answer for one note."""

    model_config = ConfigDict(frozen=True)

    source: str
    kind: str
    likeliest: str
    """The most probable kind; differs from `kind` if the model abstains."""
    probability: float
    """Of the most probable kind."""
    unseen: float
    """The share of the note's text that does not fit into train.max_tokens."""
    probabilities: dict[str, float]
    """By kind."""
