"""What a run trains: the notes and the learning rate of each step, as functions of the step's number."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nightschool.config.settings import TrainSettings
from nightschool.learning.encoding import Encoded
from nightschool.stats.results import Choice


@dataclass(frozen=True, slots=True)
class TaskIdentity:
    """Fingerprints of what a task is made of."""

    dataset: str = ""
    prompt: str = ""
    base: str = ""


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """A training: notes, settings and identity. Fixed for the whole run."""

    notes: Sequence[Encoded]
    ids: Sequence[str]
    """The notes' content ids, which determine their order in each epoch"""
    sources: Sequence[str]
    """The notes' origins, for messages"""
    validation: Sequence[Encoded]
    prefix: Sequence[int]
    """Token ids of the prompt before the note, which all notes share"""
    padding: int
    settings: TrainSettings
    identity: TaskIdentity
    suffix: Sequence[int] = ()
    """Token ids of the prompt after the note, which all notes share"""
    offsets: Mapping[int, float] = field(default_factory=dict)
    """Token id -> nats: added to the logits of an answer's first token; see `class_balance.py`"""
    choices: Sequence[Choice] = ()
    """The automatic choices that went into it"""

    @property
    def longest(self) -> int:
        """Tokens of the longest note, with its prompt and answer."""
        return max(len(note.prompt) + len(note.answer) for note in [*self.notes, *self.validation])

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.notes) / self.settings.effective_batch)

    @property
    def total_steps(self) -> int:
        return max(1, round(self.steps_per_epoch * self.settings.epochs))

    def indices(self, step: int) -> list[int]:
        """The indices of the notes of a step (1-based)."""
        epoch, place = divmod(step - 1, self.steps_per_epoch)
        size = self.settings.effective_batch
        order = epoch_order(self.ids, self.settings.seed, epoch)
        return order[place * size : (place + 1) * size]

    def steps(self, least: int = 0) -> Iterator[list[int]]:
        """The indices of each step's notes, for all steps, but at least for `least` of them."""
        size, count = self.settings.effective_batch, max(least, self.total_steps)
        for first in range(0, count, self.steps_per_epoch):
            order = epoch_order(self.ids, self.settings.seed, first // self.steps_per_epoch)
            for place in range(min(self.steps_per_epoch, count - first)):
                yield order[place * size : (place + 1) * size]


def rate(step: int, total: int, settings: TrainSettings) -> float:
    """A step's (1-based) learning rate relative to the peak: linear warm-up, then the schedule."""
    warmup = max(1, round(settings.warmup * total))
    if step <= warmup:
        return step / warmup
    done = (step - warmup) / (total - warmup + 1)
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1 - done if settings.schedule == "linear" else 1.0


def epoch_order(ids: Sequence[str], seed: int, epoch: int) -> list[int]:
    """The notes' order in an epoch: by a hash, so equal on every machine and with every version."""
    return list(_order(tuple(ids), seed, epoch))


@functools.lru_cache(maxsize=2)
def _order(ids: tuple[str, ...], seed: int, epoch: int) -> Sequence[int]:
    keys = [hashlib.sha256(f"{seed}:{epoch}:{id_}".encode()).digest() for id_ in ids]
    return sorted(range(len(ids)), key=keys.__getitem__)
