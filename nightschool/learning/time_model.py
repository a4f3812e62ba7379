"""How long training takes: a model fitted to timed steps, its interval, and what would take less.

Pure arithmetic: it needs no torch. `learning.timing` times the steps.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from nightschool.config.durations import spoken

# The least relative half-width of an interval: a machine that warms up, or that its owner uses,
# changes its speed by this much, which three steps in a row cannot show.
LEAST_SHARE = 0.08
# A forward pass without the way back, as a share of both. The frozen weights need one product each
# way (no gradient of their own), so half; less where layers are recomputed.
FORWARD_SHARE = 0.5
# Two-sided 90 % quantiles of Student's t for 1, 2, ... degrees of freedom; the last for all above.
_T90 = (6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83, 1.81)


@dataclass(frozen=True, slots=True)
class Amount:
    """What a step asks of the device."""

    passes: float
    tokens: float


@dataclass(frozen=True, slots=True)
class Timed:
    """A step that was timed."""

    passes: float
    tokens: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds, and the interval that `fit` speaks of."""

    seconds: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"about {spoken(self.seconds)} ({spoken(self.low)} to {spoken(self.high)})"


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of a step: `pass_s` for each pass and `token_s` for each token."""

    pass_s: float
    token_s: float
    share: float
    """The relative half-width of the interval: from t / (1 + share) to t * (1 + share)."""

    def seconds(self, amount: Amount) -> float:
        return self.pass_s * amount.passes + self.token_s * amount.tokens

    def around(self, seconds: float) -> Estimate:
        """An estimate of so many seconds with this pace's interval."""
        return Estimate(seconds, seconds / (1 + self.share), seconds * (1 + self.share))


def fit(timed: Sequence[Timed], earlier: Sequence[Timed] = ()) -> Pace:
    """The pace of steps that were timed now, and of those that earlier runs timed on this device.

    Seconds = passes * a + tokens * b with a, b >= 0, by least squares on the relative errors: a step
    twice as long may miss by twice as much, and one that something else slowed down weighs less. Two
    unknowns are all that three steps can tell. They are timed at the smallest, the median and the
    largest step, so that what is asked later lies between them. The earlier steps weigh as much
    together as those timed now. Either may be empty, not both.

    The interval says: the sum of the steps to come lies within for nine of ten sets of steps that
    scatter as these do (Student's t on the relative residuals, one degree of freedom for three
    steps). It holds at least LEAST_SHARE, for what changes slower than three steps take, and reaches
    as far as each of the two groups alone would say.
    """
    groups = [group for group in (timed, earlier) if group]
    if not groups:
        raise ValueError("nothing was timed")
    rows = [
        (step.passes / step.seconds, step.tokens / step.seconds, 1 / len(group))
        for group in groups
        for step in group
    ]
    a, b = _least_squares(rows)
    # What a step took beside what the pace says of it, as a share of what it took.
    errors = [(1 - a * x - b * y, weight) for x, y, weight in rows]
    freedom = max(1, len(rows) - (a > 0) - (b > 0))
    spread = sum(weight * error**2 for error, weight in errors) / len(groups)
    spread = math.sqrt(spread * len(rows) / freedom)
    scatter = _T90[min(freedom, len(_T90)) - 1] * spread / math.sqrt(len(groups[0]))
    levels = [_level(group, a, b) for group in groups]
    apart = max(max(level, 1 / level) - 1 for level in levels)
    return Pace(a, b, max(LEAST_SHARE, scatter, apart))


def _level(group: Sequence[Timed], a: float, b: float) -> float:
    """How the time that a group took stands to what the pace says."""
    return sum(s.seconds for s in group) / sum(a * s.passes + b * s.tokens for s in group)


def _least_squares(rows: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """The a, b >= 0 with the least sum of w (1 - a x - b y)^2 over rows (x, y, w)."""
    xx, xy, yy = (
        sum(w * u * v for u, v, w in products)
        for products in (
            [(x, x, w) for x, _, w in rows],
            [(x, y, w) for x, y, w in rows],
            [(y, y, w) for _, y, w in rows],
        )
    )
    x1, y1 = sum(w * x for x, _, w in rows), sum(w * y for _, y, w in rows)
    determinant = xx * yy - xy * xy
    if determinant > 1e-9 * xx * yy:
        a, b = (x1 * yy - y1 * xy) / determinant, (y1 * xx - x1 * xy) / determinant
        if a >= 0 and b >= 0:
            return a, b
    # On the border one of the two explains everything. The sum falls by x1^2 / xx or y1^2 / yy.
    return (0.0, y1 / yy) if y1 * y1 * xx >= x1 * x1 * yy else (x1 / xx, 0.0)


def key(device: str, base: str, budget: int, recomputed: int) -> str:
    """Names what a pace depends on: the steps of runs with the same key take the same time.

    `device` is a `Device.label`, `base` a fingerprint. Version 0.1.0 could train part of the layers.
    """
    return f"{device}; base {base}; layers all; {budget} tokens a pass; {recomputed} recomputed"


def sample(timed: Sequence[Timed], most: int) -> list[Timed]:
    """At most so many of the steps, spread evenly over all of them."""
    count = min(most, len(timed))
    return [timed[index * len(timed) // count] for index in range(count)]


@dataclass(frozen=True, slots=True)
class Course:
    """What a training asks for from its first step to its last."""

    steps: tuple[Amount, ...]
    """The steps of one epoch; the others are taken to be like it."""
    epochs: float
    validation: Amount
    """The forward passes over the validation notes, after each epoch and at the end."""
    chunk_s: float = math.inf
    """A training process ends after so many seconds, and the next one starts."""
    restart_s: float = 0.0
    """What a start takes before its first step: importing, loading."""

    @property
    def total_steps(self) -> int:
        """As `trainer.Task` counts them."""
        return max(1, round(len(self.steps) * self.epochs))

    def seconds(self, pace: Pace, done: int = 0) -> float:
        """Seconds of what comes after the step `done`."""
        each = [0.0, *accumulate(pace.seconds(step) for step in self.steps)]
        forward = FORWARD_SHARE * pace.seconds(self.validation)
        total = self.total_steps

        def until(step: int) -> float:
            epochs, place = divmod(step, len(self.steps))
            validations = epochs + (step == total and place > 0)
            return epochs * each[-1] + each[place] + validations * forward

        work = until(total) - until(done)
        restarts = math.floor(work / self.chunk_s) if self.chunk_s else total - done
        return work + restarts * self.restart_s

    def estimate(self, pace: Pace, done: int = 0) -> Estimate:
        return pace.around(self.seconds(pace, done))


def several(course: Course, seeds: int) -> Course:
    """The course of one training after another with so many seeds."""
    return replace(course, epochs=course.epochs * seeds)


def said(course: Course, pace: Pace, seeds: int = 1) -> str:
    """The estimate in a line: a step's mean, and all of them; of each of so many seeds a course."""
    mean = sum(map(pace.seconds, course.steps)) / len(course.steps)
    every = several(course, seeds)
    step, whole = pace.around(mean), every.estimate(pace)
    return (
        f"{_short(step.seconds)} s a step ({_short(step.low)} to {_short(step.high)}); "
        f"{every.total_steps} steps{f' of {seeds} seeds' if seeds > 1 else ''}: {whole}"
    )


def _short(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.2g}"


# What would take less


@dataclass(frozen=True, slots=True)
class Shorter:
    """What a lower train.max_tokens would do."""

    max_tokens: int
    course: Course
    cut: float
    """The share of the training notes that it cuts."""
    lost: float
    """The share of their tokens that is not read."""

    @property
    def cost(self) -> str:
        return f"cuts {100 * self.cut:.0f} % of the notes and {100 * self.lost:.0f} % of their text"


def rungs(longest: int, least: int = 64) -> list[int]:
    """Values for train.max_tokens that cut something, largest first: 2^k and 3 * 2^k.

    `longest` is the most tokens that a note has; below `least` little of a note is left.
    """
    ladder = sorted({factor << k for k in range(24) for factor in (2, 3)}, reverse=True)
    return [rung for rung in ladder if least <= rung < longest]


@dataclass(frozen=True, slots=True)
class Body:
    """What of the base decides how another base compares."""

    layers: int
    weights: float
    """Of all its layers, the vocabulary's left out."""


# Smaller bases of the default's family, largest first: name, layers, weights without the
# vocabulary's. From their model cards (Qwen Team 2024, "Qwen2.5 Technical Report").
_BASES = (("Qwen/Qwen2.5-1.5B-Instruct", 28, 1.31e9), ("Qwen/Qwen2.5-0.5B-Instruct", 24, 0.36e9))


@dataclass(frozen=True, slots=True)
class WayOut:
    """One change that makes a training fit: what to set, what it then takes, what it costs."""

    setting: str
    seconds: float
    cost: str

    def __str__(self) -> str:
        return f"{self.setting}: about {spoken(self.seconds)}, {self.cost}"

    def as_dict(self) -> dict[str, str | float]:
        return {"setting": self.setting, "seconds": round(self.seconds, 1), "cost": self.cost}


def ways_out(
    window_s: float, pace: Pace, course: Course, shorter: Sequence[Shorter], body: Body
) -> list[WayOut]:
    """Changes that each make the training fit into `window_s` seconds, with what they cost.

    Of each kind the mildest that fits: shorter text (of the rungs in `shorter`, largest first), fewer
    epochs, a smaller base. Empty where none of them is enough alone.
    """
    found: list[WayOut] = []
    for rung in shorter:
        seconds = rung.course.seconds(pace)
        if seconds <= window_s:
            found.append(WayOut(f"train.max_tokens = {rung.max_tokens}", seconds, rung.cost))
            break
    for epochs in _fewer(course.epochs):
        seconds = replace(course, epochs=epochs).seconds(pace)
        if seconds <= window_s:
            cost = f"each note is learned from {epochs:g} times instead of {course.epochs:g}"
            found.append(WayOut(f"train.epochs = {epochs:g}", seconds, cost))
            break
    for name, layers, weights in _BASES:
        scaled = replace(
            pace,
            pass_s=pace.pass_s * layers / body.layers,
            token_s=pace.token_s * weights / body.weights,
        )
        seconds = course.seconds(scaled)
        if weights < 0.9 * body.weights and layers <= body.layers and seconds <= window_s:
            cost = f"a base with {weights / 1e9:.2g} instead of {body.weights / 1e9:.2g} billion weights"
            found.append(WayOut(f'base = "{name}"', seconds, cost))
            break
    return found


def _fewer(epochs: float) -> Iterable[float]:
    """Fewer epochs, most first: halves of one, and at least one."""
    return (halves / 2 for halves in range(math.ceil(epochs * 2) - 1, 1, -1))


# The quick lap


@dataclass(frozen=True, slots=True)
class Lap:
    """What of a training fits into a time; recorded before the first step and then fixed."""

    epochs: float
    max_tokens: int | None
    """Tokens of a training note; None: as the settings say."""
    steps: int | None
    """Steps an epoch, for part of the training notes; None: all of them."""
    fits: bool
    """False where even the least takes longer."""


def lap(allowed_s: float, pace: Pace, course: Course, shorter: Sequence[Shorter]) -> Lap:
    """The most of a training whose interval ends within `allowed_s` seconds.

    As many epochs as fit, at least one; if one does not fit, one epoch of shorter text (the first
    of the rungs in `shorter` that fits, largest first); if that is not enough, of the shortest text
    as many steps as fit, at least one.
    """

    def fits(course: Course) -> bool:
        return course.estimate(pace).high <= allowed_s

    for epochs in (course.epochs, *_fewer(course.epochs)):
        if fits(replace(course, epochs=epochs)):
            return Lap(epochs, None, None, True)
    one = min(1.0, course.epochs)
    for rung in shorter:
        if fits(replace(rung.course, epochs=one)):
            return Lap(one, rung.max_tokens, None, True)
    least = replace(shorter[-1].course if shorter else course, epochs=one)
    most_tokens = shorter[-1].max_tokens if shorter else None
    size = len(least.steps)
    # A part of the notes makes steps like all of them: the mean step stands for each.
    mean = Amount(
        sum(step.passes for step in least.steps) / size,
        sum(step.tokens for step in least.steps) / size,
    )

    def high(steps: int) -> float:
        return replace(least, steps=(mean,) * steps).estimate(pace).high

    steps = bisect.bisect_right(range(1, size), allowed_s, key=high)
    return Lap(one, most_tokens, max(1, steps), steps > 0)
