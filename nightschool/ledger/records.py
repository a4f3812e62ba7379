"""What the ledger's rows are to the rest of the program."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nightschool.ledger.outcomes import Outcome, Reason, parse, parse_outcome


class StageName(StrEnum):
    """The stages of a run, in order."""

    PREP = "prep"
    BASELINE = "baseline"
    TRAIN = "train"
    EVALUATE = "evaluate"
    COMPARE = "compare"


STAGES = tuple(StageName)


class RunState(StrEnum):
    """Where a run stands. WAITING: its goal is reached, and a later stage may still be requested."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StageState(StrEnum):
    """Where a stage stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Timing(StrEnum):
    """When a run may work: at once, or in the windows of the night."""

    NOW = "now"
    TONIGHT = "tonight"


class EventKind(StrEnum):
    """What a line of a run's log is about."""

    STATE = "state"
    CHOICE = "choice"
    """An automatic choice with its reason."""
    PROGRESS = "progress"
    WARNING = "warning"
    ERROR = "error"


class PromotedBy(StrEnum):
    """Who made a run's model the champion."""

    COMPARISON = "comparison"
    OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Run:
    """One run. Times are seconds since the epoch."""

    id: int
    created: float
    state: RunState
    goal: StageName
    timing: Timing
    reason: str
    settings: Mapping[str, Any]

    @property
    def open(self) -> bool:
        """Whether the program still has to do something for it."""
        return self.state in ("queued", "running")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a run; `result` is what it recorded when it finished."""

    run: int
    name: StageName
    state: StageState
    step: int
    total_steps: int
    loss: float | None
    eta_s: float | None
    finished: float | None
    result: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one stage, until it is recorded how that ended."""

    run: int
    stage: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """Work on one stage in one go. `outcome` is None while it is under way; so is `ended`, but after a sleep.

    Where its worker died, `ended` is when it last spoke. `first_step` is how far the attempts
    before it came, `last_step` how far this one, None where it reached no step.
    """

    run: int
    stage: str
    started: float
    ended: float | None
    outcome: Outcome | Reason | None
    reason: str | None
    first_step: int = 0
    last_step: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a run's log."""

    id: int
    at: float
    run: int
    stage: str | None
    kind: EventKind
    message: str


@dataclass(frozen=True, slots=True)
class TestExposure:
    """Test notes were answered, and the result could be seen; `test` is their fingerprint."""

    at: float
    run: int
    what: str
    dataset: str
    test: str


@dataclass(frozen=True, slots=True)
class Control:
    """What the owner asked for, and what the policy last decided."""

    paused: bool
    paused_until: float | None
    run_allowed: bool
    decision_reason: Reason
    decision_run: int | None


@dataclass(frozen=True, slots=True)
class PastDecision:
    """What the policy decided from `at` on, until the next one."""

    at: float
    run: int | None
    allowed: bool
    reason: Reason
    detail: str


def run_of(row: sqlite3.Row) -> Run:
    """A row of `runs`."""
    return Run(
        id=row["id"], created=row["created"], state=RunState(row["state"]), goal=StageName(row["goal"]),
        timing=Timing(row["timing"]), reason=row["reason"], settings=json.loads(row["settings"]),
    )  # fmt: skip


def stage_of(row: sqlite3.Row) -> Stage:
    """A row of `stages`."""
    return Stage(
        run=row["run"], name=StageName(row["name"]), state=StageState(row["state"]), step=row["step"],
        total_steps=row["total_steps"], loss=row["loss"], eta_s=row["eta_s"],
        finished=row["finished"], result=json.loads(row["result"]) if row["result"] else None,
    )  # fmt: skip


def attempt_of(row: sqlite3.Row) -> Attempt:
    """A row of `attempts`, with its end as `over`."""
    outcome = row["outcome"]
    return Attempt(
        run=row["run"], stage=row["stage"], started=row["started"], ended=row["over"],
        outcome=outcome and parse_outcome(outcome), reason=row["reason"], first_step=row["best_before"],
        last_step=row["last_step"],
    )  # fmt: skip


def event_of(row: sqlite3.Row) -> Event:
    """A row of `events`."""
    return Event(
        id=row["id"], at=row["at"], run=row["run"], stage=row["stage"],
        kind=parse(EventKind, row["kind"]), message=row["message"],
    )  # fmt: skip


def decision_of(row: sqlite3.Row) -> PastDecision:
    """A row of `decisions`."""
    return PastDecision(
        at=row["at"], run=row["run"], allowed=bool(row["allowed"]),
        reason=parse(Reason, row["reason"]), detail=row["detail"],
    )  # fmt: skip
