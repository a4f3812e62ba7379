"""The answer to `PlanJob`: what a run would choose and need. Needs no library, so that any process reads it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from nightschool.stats.results import Choice


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class NoteCounts(_Answer):
    """The notes that were read, and the part that is trained on."""

    read: int
    skipped: int
    without_kind: int
    train: int
    """Training notes, roughened copies included."""
    validation: int
    cut: int
    """Training notes that are cut at `max_tokens`."""
    max_tokens: int
    tokens: int
    """Tokens of all training notes, without prompts and answers."""
    longest: int
    """Tokens of the longest training note."""
    prompt_tokens: int


class MemoryEstimate(_Answer):
    """The predicted peak memory of the training, in bytes."""

    items: Mapping[str, int]
    total: int
    room: int | None
    """What may be used, or on a CPU what is available; None if unknown."""
    limited: bool
    """Whether the plan depends on `room`: false on a CPU."""
    budget: int
    """Tokens per micro-batch."""
    recomputed: int
    """Layers whose activations are recomputed."""


class Alternative(_Answer):
    """A setting with which the training would fit into the window, and what it costs."""

    setting: str
    seconds: float
    cost: str


class TimeEstimate(_Answer):
    """The duration of the training in seconds, from steps that earlier runs timed on this device."""

    seeds: int
    steps: int
    seconds: float
    low: float
    """The lower end of the 90 % interval."""
    high: float
    text: str
    window_s: float
    ways_out: tuple[Alternative, ...]
    """Empty if the training fits into the window of a night."""
    advice: tuple[str, ...]
    """Lines for the user; empty if the training fits."""


class RunEstimate(_Answer):
    """What a run queued now would choose and need."""

    base: str
    chosen: tuple[Choice, ...]
    notes: NoteCounts
    memory: MemoryEstimate
    time: TimeEstimate | None
    """None if no earlier run timed its steps on this device."""
