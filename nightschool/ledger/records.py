"""The rows of the ledger as types, for the rest of the program."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nightschool.config import bounded_json
from nightschool.config.errors import LedgerLost
from nightschool.ledger.lost import REPAIR
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
    """The state of a run. WAITING: it has reached its goal, and a later stage may still be requested."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StageState(StrEnum):
    """The state of a stage."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Timing(StrEnum):
    """When a run may work: immediately, or in the windows of the night."""

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


class Answerer(StrEnum):
    """What answered the test notes in a test exposure."""

    BASE = "base"
    ADAPTER = "adapter"
    ARMS = "arms"
    """The comparison arms."""
    CHAMPION = "champion"


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
    settings: Mapping[str, object]

    @property
    def open(self) -> bool:
        """Whether there is work to do for it."""
        return self.state in (RunState.QUEUED, RunState.RUNNING)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a run; `result` is the JSON object that it recorded when it was done."""

    run: int
    name: StageName
    state: StageState
    step: int
    total_steps: int
    loss: float | None
    eta_s: float | None
    finished: float | None
    result: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one stage, until the end of the attempt is recorded."""

    run: int
    stage: StageName
    attempt: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a stage. `outcome` is None while it is under way; `ended` too, unless the computer slept.

    If its worker died, `ended` is when the worker last wrote to the run's log. `first_step` is how far the
    attempts before it got, and `last_step` how far this one got, None if it reached no step.
    """

    run: int
    stage: StageName
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
    stage: StageName | None
    kind: EventKind
    message: str


@dataclass(frozen=True, slots=True)
class TestExposure:
    """An evaluation of test notes whose result could be seen; `test` is the fingerprint of the notes.

    `seed` is that of an adapter, if its run trains several. `model_run` is the run that trained the
    champion.
    """

    at: float
    run: int
    answerer: Answerer
    dataset: str
    test: str
    seed: int | None = None
    model_run: int | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """The owner's pause, and the policy's last decision."""

    paused: bool
    paused_until: float | None
    run_allowed: bool
    decision_reason: Reason
    decision_run: int | None


@dataclass(frozen=True, slots=True)
class PastDecision:
    """A decision of the policy, in force from `at` until the next one."""

    at: float
    run: int | None
    allowed: bool
    reason: Reason
    detail: str


def _json_object(text: str) -> dict[str, Any]:
    """Raises LedgerLost if the text is none."""
    try:
        value = bounded_json.loads(text)
        if isinstance(value, dict):
            return value
    except ValueError:
        pass
    raise LedgerLost(
        f"the ledger is damaged: it holds {text!r:.40} where an object of JSON belongs", REPAIR
    )


def run_of(row: sqlite3.Row) -> Run:
    """A row of `runs`."""
    return Run(
        id=row["id"], created=row["created"], state=parse(RunState, row["state"]),
        goal=parse(StageName, row["goal"]), timing=parse(Timing, row["timing"]), reason=row["reason"],
        settings=_json_object(row["settings"]),
    )  # fmt: skip


def stage_of(row: sqlite3.Row) -> Stage:
    """A row of `stages`."""
    return Stage(
        run=row["run"], name=parse(StageName, row["name"]), state=parse(StageState, row["state"]),
        step=row["step"], total_steps=row["total_steps"], loss=row["loss"],
        eta_s=row["eta_s"], finished=row["finished"],
        result=_json_object(row["result"]) if row["result"] else None,
    )  # fmt: skip


def attempt_of(row: sqlite3.Row) -> Attempt:
    """A row of `attempts`."""
    outcome = row["outcome"]
    return Attempt(
        run=row["run"], stage=parse(StageName, row["stage"]), started=row["started"], ended=row["ended"],
        outcome=outcome and parse_outcome(outcome), reason=row["reason"], first_step=row["best_before"],
        last_step=row["last_step"],
    )  # fmt: skip


def event_of(row: sqlite3.Row) -> Event:
    """A row of `events`."""
    return Event(
        id=row["id"], at=row["at"], run=row["run"],
        stage=row["stage"] and parse(StageName, row["stage"]),
        kind=parse(EventKind, row["kind"]), message=row["message"],
    )  # fmt: skip


def decision_of(row: sqlite3.Row) -> PastDecision:
    """A row of `decisions`."""
    return PastDecision(
        at=row["at"], run=row["run"], allowed=bool(row["allowed"]),
        reason=parse(Reason, row["reason"]), detail=row["detail"],
    )  # fmt: skip


def exposure_of(row: sqlite3.Row) -> TestExposure:
    """A row of `test_exposures`."""
    return TestExposure(
        at=row["at"], run=row["run"], answerer=parse(Answerer, row["answerer"]),
        dataset=row["dataset"], test=row["test"], seed=row["seed"], model_run=row["model_run"],
    )  # fmt: skip
