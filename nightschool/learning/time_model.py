"""How long training takes: a model fitted to timed steps, its interval, and what would shorten it.

Pure arithmetic, without torch; `timing.py` times the steps.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from nightschool.config.durations import format_duration

# The smallest relative half-width of an interval: a computer that warms up or is in use changes its speed
# by about this much, and three steps in a row cannot show it.
LEAST_SHARE = 0.08
# The time of a forward pass as a share of forward and backward. The frozen weights take one product in
# each direction (they have no gradient), so half; less if layers are recomputed.
FORWARD_SHARE = 0.5
# Two-sided 90 % quantiles of the t distribution for 1, 2, ... degrees of freedom; the last for all above.
_T90 = (6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83, 1.81)


@dataclass(frozen=True, slots=True)
class StepSize:
    """What determines a step's time."""

    passes: float
    """Micro-batches of the step."""
    tokens: float
    """Tokens of all of them together."""


@dataclass(frozen=True, slots=True)
class TimedStep:
    """A step's size and its measured time."""

    passes: float
    tokens: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds, with the interval that `fit` defines."""

    seconds: float
    low: float
    high: float

    def __str__(self) -> str:
        low, high = format_duration(self.low), format_duration(self.high)
        return f"about {format_duration(self.seconds)} ({low} to {high})"


@dataclass(frozen=True, slots=True)
class Pace:
    """The speed of training: `pass_s` seconds per micro-batch and `token_s` seconds per token."""

    pass_s: float
    token_s: float
    share: float
    """Relative half-width of the interval: from t / (1 + share) to t * (1 + share)."""

    def seconds(self, size: StepSize) -> float:
        return self.pass_s * size.passes + self.token_s * size.tokens

    def around(self, seconds: float) -> Estimate:
        """An estimate around `seconds` with this pace's interval."""
        return Estimate(seconds, seconds / (1 + self.share), seconds * (1 + self.share))


def fit(timed: Sequence[TimedStep], earlier: Sequence[TimedStep] = ()) -> Pace:
    """The pace that fits the steps timed now, and those that earlier runs timed on this device.

    Fits seconds = passes * a + tokens * b, with a, b >= 0, by least squares on the relative errors: a
    step twice as long may miss by twice as much, and a step that was slowed down by chance weighs
    less. Three steps determine no more than two unknowns. They are the smallest, the median and the
    largest step, so that later steps lie between them. The earlier steps together weigh as much as
    those timed now. One of the two may be empty. Raises ValueError if both are.

    The interval contains the sum of the coming steps for nine of ten sets of steps with the same
    scatter (t distribution of the relative residuals; three steps leave one degree of freedom). It is
    never narrower than LEAST_SHARE, for changes slower than three steps, and covers the estimate of
    each of the two groups alone.
    """
    groups = [group for group in (timed, earlier) if group]
    if not groups:
        raise ValueError("no timed steps")
    rows = [
        (step.passes / step.seconds, step.tokens / step.seconds, 1 / len(group))
        for group in groups
        for step in group
    ]
    a, b = _least_squares(rows)
    # The part of a step's time that the pace does not explain, relative to that time.
    errors = [(1 - a * x - b * y, weight) for x, y, weight in rows]
    freedom = max(1, len(rows) - (a > 0) - (b > 0))
    spread = sum(weight * error**2 for error, weight in errors) / len(groups)
    spread = math.sqrt(spread * len(rows) / freedom)
    scatter = _T90[min(freedom, len(_T90)) - 1] * spread / math.sqrt(len(groups[0]))
    levels = [_level(group, a, b) for group in groups]
    apart = max(max(level, 1 / level) - 1 for level in levels)
    return Pace(a, b, max(LEAST_SHARE, scatter, apart))


def _level(group: Sequence[TimedStep], a: float, b: float) -> float:
    """A group's measured time, relative to the time that the pace predicts."""
    return sum(s.seconds for s in group) / sum(a * s.passes + b * s.tokens for s in group)


def _least_squares(rows: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """The a, b >= 0 that minimise the sum of w (1 - a x - b y)^2 over rows (x, y, w)."""
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
    # On the boundary, one of the two explains everything; it reduces the sum by x1^2 / xx or y1^2 / yy.
    return (0.0, y1 / yy) if y1 * y1 * xx >= x1 * x1 * yy else (x1 / xx, 0.0)


def pace_key(device: str, base: str, budget: int, recomputed: int) -> str:
    """What a pace depends on, as the key of `pace.json`: runs with one key have equally fast steps.

    `device` is a `Device.label`, `base` a fingerprint. "layers all" keeps the keys of version 0.1.0,
    which could train a part of the layers, valid.
    """
    return f"{device}; base {base}; layers all; {budget} tokens a pass; {recomputed} recomputed"


def sample(timed: Sequence[TimedStep], most: int) -> list[TimedStep]:
    """At most `most` of the steps, spread evenly over all of them."""
    count = min(most, len(timed))
    return [timed[index * len(timed) // count] for index in range(count)]


@dataclass(frozen=True, slots=True)
class Workload:
    """A whole training, as far as its time depends on it."""

    steps: tuple[StepSize, ...]
    """The steps of one epoch; all epochs are assumed to be alike."""
    epochs: float
    validation: StepSize
    """The forward passes over the validation notes, after each epoch and at the end."""
    chunk_s: float = math.inf
    """Seconds after which a training process ends and the next one starts."""
    restart_s: float = 0.0
    """Seconds from a process start to its first step: imports, loading."""

    @property
    def total_steps(self) -> int:
        """As `TrainingTask.total_steps`."""
        return max(1, round(len(self.steps) * self.epochs))

    def seconds(self, pace: Pace, done: int = 0) -> float:
        """Seconds from the end of step `done` to the end of the training."""
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


def several(workload: Workload, seeds: int) -> Workload:
    """The workload of `seeds` trainings, one after another."""
    return replace(workload, epochs=workload.epochs * seeds)


def summary(workload: Workload, pace: Pace, seeds: int = 1) -> str:
    """The estimate as one line: the seconds per step, the steps and the total time, for `seeds` trainings."""
    mean = sum(map(pace.seconds, workload.steps)) / len(workload.steps)
    every = several(workload, seeds)
    step, whole = pace.around(mean), every.estimate(pace)
    return (
        f"{_short(step.seconds)} s per step ({_short(step.low)} to {_short(step.high)}); "
        f"{every.total_steps} steps{f' of {seeds} seeds' if seeds > 1 else ''}: {whole}"
    )


def _short(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.2g}"


# What would shorten a training


@dataclass(frozen=True, slots=True)
class ShorterText:
    """The effect of a lower train.max_tokens."""

    max_tokens: int
    workload: Workload
    cut: float
    """Share of the training notes that it cuts."""
    lost: float
    """Share of their tokens that it leaves unread."""

    @property
    def cost(self) -> str:
        return f"cuts {100 * self.cut:.0f} % of the notes and {100 * self.lost:.0f} % of their text"


def token_limits(longest: int, least: int = 64) -> list[int]:
    """Values of train.max_tokens below `longest` tokens, the largest first: 2^k and 3 * 2^k.

    `longest` is the length of the longest note; below `least`, little of a note is left.
    """
    limits = sorted({factor << k for k in range(24) for factor in (2, 3)}, reverse=True)
    return [limit for limit in limits if least <= limit < longest]


@dataclass(frozen=True, slots=True)
class BaseSize:
    """What determines how fast another base would be in comparison."""

    layers: int
    weights: float
    """Weights of all layers, without the embedding and the head."""


# Smaller bases of the default's family, largest first: name, layers, weights without embedding and
# head. From their model cards (Qwen Team 2024, "Qwen2.5 Technical Report", arXiv:2412.15115).
_BASES = (("Qwen/Qwen2.5-1.5B-Instruct", 28, 1.31e9), ("Qwen/Qwen2.5-0.5B-Instruct", 24, 0.36e9))


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change that makes a training fit: the setting, the time it then takes, and its cost."""

    setting: str
    seconds: float
    cost: str

    def __str__(self) -> str:
        return f"{self.setting}: about {format_duration(self.seconds)}, {self.cost}"

    def as_dict(self) -> dict[str, str | float]:
        return {"setting": self.setting, "seconds": round(self.seconds, 1), "cost": self.cost}


def remedies(
    window_s: float,
    pace: Pace,
    workload: Workload,
    texts: Sequence[ShorterText],
    base_size: BaseSize,
) -> list[Remedy]:
    """Single changes, each of which makes the training fit into `window_s` seconds.

    At most one of each kind, the mildest: shorter text (from `texts`, largest first), fewer epochs, a
    smaller base. Empty if no single change is enough.
    """
    options = (
        *((f"train.max_tokens = {t.max_tokens}", t.workload.seconds(pace), t.cost) for t in texts),
        *(
            (
                f"train.epochs = {epochs:g}",
                replace(workload, epochs=epochs).seconds(pace),
                f"{epochs:g} epochs instead of {workload.epochs:g}",
            )
            for epochs in _fewer(workload.epochs)
        ),
        *_smaller_bases(pace, workload, base_size),
    )
    mildest: dict[str, Remedy] = {}
    for setting, seconds, cost in options:
        if seconds <= window_s:
            mildest.setdefault(setting.partition(" = ")[0], Remedy(setting, seconds, cost))
    return list(mildest.values())


def _smaller_bases(
    pace: Pace, workload: Workload, base_size: BaseSize
) -> Iterable[tuple[str, float, str]]:
    """The setting, the seconds and the cost of each smaller base, largest first."""
    for name, layers, weights in _BASES:
        if weights < 0.9 * base_size.weights and layers <= base_size.layers:
            scaled = replace(
                pace,
                pass_s=pace.pass_s * layers / base_size.layers,
                token_s=pace.token_s * weights / base_size.weights,
            )
            billions = f"{weights / 1e9:.2g} instead of {base_size.weights / 1e9:.2g} billion"
            yield f'base = "{name}"', workload.seconds(scaled), f"a base with {billions} weights"


def _fewer(epochs: float) -> Iterable[float]:
    """Fewer epochs, most first, down to one, in steps of one half."""
    return (halves / 2 for halves in range(math.ceil(epochs * 2) - 1, 1, -1))


# `run --quick`


@dataclass(frozen=True, slots=True)
class QuickPlan:
    """The part of a training that fits into a given time; fixed before the first step."""

    epochs: float
    max_tokens: int | None
    """Most tokens of a training note; None: as in the settings."""
    steps: int | None
    """Steps per epoch, if only a part of the training notes is used; None: all of them."""
    fits: bool
    """Whether it fits; false if even the smallest part takes longer."""


def quick_plan(
    allowed_s: float, pace: Pace, workload: Workload, texts: Sequence[ShorterText]
) -> QuickPlan:
    """The largest part of a training whose interval ends within `allowed_s` seconds.

    As many epochs as fit, but at least one; if one does not fit, one epoch of shorter text (the first
    of `texts`, largest first, that fits); if that is not enough, as many steps of the shortest text
    as fit, but at least one.
    """

    def fits(workload: Workload) -> bool:
        return workload.estimate(pace).high <= allowed_s

    for epochs in (workload.epochs, *_fewer(workload.epochs)):
        if fits(replace(workload, epochs=epochs)):
            return QuickPlan(epochs, None, None, True)
    one = min(1.0, workload.epochs)
    for text in texts:
        if fits(replace(text.workload, epochs=one)):
            return QuickPlan(one, text.max_tokens, None, True)
    least = replace(texts[-1].workload if texts else workload, epochs=one)
    max_tokens = texts[-1].max_tokens if texts else None
    count = len(least.steps)
    # The steps of a part of the notes are like those of all: each is taken to have the mean size.
    mean = StepSize(
        sum(step.passes for step in least.steps) / count,
        sum(step.tokens for step in least.steps) / count,
    )

    def upper_end(steps: int) -> float:
        return replace(least, steps=(mean,) * steps).estimate(pace).high

    steps = bisect.bisect_right(range(1, count), allowed_s, key=upper_end)
    return QuickPlan(one, max_tokens, max(1, steps), steps > 0)
