"""What each stage of a run records when it is done: the content of `runs/N/STAGE.json`.

A file that an older version wrote is read with defaults for what it lacks. Times are in seconds,
losses in nats, shares and probabilities from 0 to 1. Notes are named by their content id.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nightschool.config import files
from nightschool.config.checksums import verify_checksum, with_checksum
from nightschool.config.errors import DamagedFile, LearningError, UnreadableFile, first_line, passes
from nightschool.ledger.artifacts import remedy_of, unusable
from nightschool.ledger.records import StageName
from nightschool.notes.label_leaks import LabelLeaks
from nightschool.stats.results import Choice
from nightschool.stats.terms import Decision

VERSION = 1
"""Written into every file; a file without a version is from before there were versions."""

StepLoss = tuple[int, float]
"""An optimizer step and its loss in nats."""


class _NewerRecord(Exception):
    """A newer version wrote a file; holds that version."""


class Part(BaseModel):
    """A frozen part of a stored file; keys of other versions are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Record(Part):
    """The content of a stored file."""

    version: int = VERSION

    @model_validator(mode="before")
    @classmethod
    def _is_not_newer(cls, content: Any) -> Any:
        version = content.get("version", VERSION) if isinstance(content, Mapping) else VERSION
        if isinstance(version, int) and version > VERSION:
            raise _NewerRecord(version)
        return content


class StageResult(Record):
    """What every stage's result has in common."""

    stage: ClassVar[StageName]


class PrepResult(StageResult):
    """The frozen dataset and the base model of a run."""

    stage = StageName.PREP
    dataset: str
    """The id of the dataset: the name of its folder."""
    fingerprint: str
    """The full fingerprint of the dataset's content."""
    train: int
    """Number of training notes, augmentations included; `made` of them are augmentations."""
    validation: int
    test: int
    made: int = 0
    known_kinds: tuple[str, ...] = ()
    """The kinds whose names were removed from the texts; empty in runs of earlier versions."""
    warnings: tuple[str, ...] = ()
    label_leaks: LabelLeaks | None = None
    """None in results of versions that did not look for them."""
    base_folder: str
    base_fingerprint: str


class ArmAnswers(Part):
    """A comparison arm's answers to the test notes; `note` says how the arm was made."""

    answers: Mapping[str, str]
    probabilities: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)
    seconds: float = 0.0
    note: str = ""


class ScoringResult(StageResult):
    """A model's answers to the test notes, and its probabilities of each kind for test and validation
    notes, in the order of the dataset's kinds."""

    accuracy: float
    prompt: str
    """The fingerprint of the prompt."""
    cut: int = 0
    """Number of test notes that were cut at train.max_tokens."""
    warnings: tuple[str, ...] = ()
    chosen: tuple[Choice, ...] = ()
    answers: Mapping[str, str]
    probabilities: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)
    """Empty in results of versions that did not record them."""
    validation: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)


class BaselineResult(ScoringResult):
    """The untouched base model, and the comparison arms that need a model in memory."""

    stage = StageName.BASELINE
    arms: Mapping[str, ArmAnswers] = Field(default_factory=dict)
    absent: Mapping[str, str] = Field(default_factory=dict)
    """Why an arm is absent, by the arm's name."""


class SeedTraining(Part):
    """One training of a run of several seeds."""

    seed: int
    validation_loss: float | None = None
    adapter_sha256: str


class TrainResult(StageResult):
    """The training of a run: that of the seed whose adapter is published."""

    stage = StageName.TRAIN
    steps: int
    peak_gb: float | None = None
    """Peak device memory in GB."""
    losses: tuple[StepLoss, ...]
    validation: tuple[StepLoss, ...]
    skipped: tuple[int, ...] = ()
    """Optimizer steps whose loss or gradients were not finite."""
    cut: int = 0
    """Number of training notes that were cut at train.max_tokens."""
    warnings: tuple[str, ...] = ()
    chosen: tuple[Choice, ...] = ()
    adapter_sha256: str
    adapter_files: Mapping[str, str] = Field(default_factory=dict)
    """The sha256 of each file of the adapter, by name, when it was written."""
    seconds: float = 0.0
    """Time in the training process, over all its chunks."""
    seed: int | None = None
    """The seed whose adapter is published; None in a seed's own record and in older files."""
    seeds: tuple[SeedTraining, ...] = ()


class SeedAnswers(Part):
    """The answers of one seed's adapter."""

    seed: int
    answers: Mapping[str, str]


class EvaluateResult(ScoringResult):
    """The adapter that the run published, and the answers of every seed's adapter."""

    stage = StageName.EVALUATE
    seeds: tuple[SeedAnswers, ...] = ()


class CompareResult(StageResult):
    """The run's decision about its model, and where the report's page is."""

    stage = StageName.COMPARE
    decision: Decision
    reason: str = ""
    page: str = ""
    """Path of the page, relative to the school's folder."""


RecordT = TypeVar("RecordT", bound=Record)


def read_record(file: Path, kind: type[RecordT]) -> RecordT:
    """The record in a file.

    Raises DamagedFile if it is missing or damaged, LearningError if a newer version wrote it.
    """
    try:
        content = files.read(file)
        verify_checksum(content)
        return kind.model_validate_json(content)
    except _NewerRecord as error:
        newer = f"{file} cannot be used: a newer nightschool wrote it (version {error})"
        raise LearningError(newer, "update nightschool") from None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and passes(error):
            raise unusable(file, error) from None
        raise DamagedFile(
            f"{file} cannot be used ({_first_problem(error)})", remedy_of(file)
        ) from None


def read_whole(file: Path, kind: type[RecordT], say: Callable[[str, str], None]) -> RecordT | None:
    """The record in a file that its stage can make again; None if it is missing, or damaged and so removed.

    `say` is called with "warning" and a line if it is damaged. Raises UnreadableFile, and LearningError as
    `read_record` does.
    """
    if not os.path.lexists(file):
        return None
    try:
        return read_record(file, kind)
    except UnreadableFile:
        raise
    except DamagedFile as error:
        say("warning", f"{error.message}: it is made again")
        files.remove(file)
        return None


def write_record(file: Path, record: Record) -> None:
    """Write a record with its checksum so that the file is whole or absent, also after a crash."""
    files.write(file, with_checksum(record.model_dump_json(indent=1)))


def _first_problem(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if not isinstance(error, ValidationError):
        return first_line(error)
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
