"""Macro-F1 and its intervals, by group: of one arm, and of the change from one to another.

The Bayesian bootstrap over groups (Rubin 1981) draws possible true shares. Alone it gives intervals that
are too narrow for small kinds. Two corrections, whose effect `benchmarks/gate_simulation.py` measures:

- Half an unobserved group is added for each kind, a quarter right and a quarter wrong in every arm: a
  gamma prior, as in Goutte and Gaussier 2005. Without it, a kind that is all right or all wrong would
  have an interval without width.
- The distance of every draw from the estimate is multiplied by sqrt((g + 1) / (g - 1)), where g is the
  mean number of groups of a kind. That removes the bias of the bootstrap's variance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nightschool.stats.intervals import DRAWS, Codes, Floats, percentiles, resampled, share_interval

_UNSEEN = 0.25


def f1_counts(
    kinds: Sequence[str], true: Sequence[str], answers: Sequence[str], codes: Codes
) -> Floats:
    """The counts that macro-F1 is computed from, by group: shape (groups, 2 * kinds that occur).

    First each kind's correct answers, then its notes plus the answers with it: F1 is twice the first
    divided by the second.
    """
    present = _present(kinds, true)
    kind = np.array(true, dtype=object)[:, None] == np.array(present, dtype=object)
    answer = np.array(answers, dtype=object)[:, None] == np.array(present, dtype=object)
    both = np.concatenate([kind & answer, kind.astype(int) + answer.astype(int)], axis=1)
    sums = np.zeros((int(codes.max()) + 1, both.shape[1]))
    np.add.at(sums, codes, both)
    return sums


def macro_f1(counted: Floats) -> Floats:
    """Macro-F1 from sums of `f1_counts`, shape (..., 2 * kinds); result shape (...)."""
    hits, both = np.split(counted, 2, axis=-1)
    scores: Floats = (2 * hits / np.where(both > 0, both, 1)).mean(axis=-1)
    return scores


def macro_f1_interval(
    kinds: Sequence[str], true: Sequence[str], answers: Sequence[str], codes: Codes
) -> tuple[float, float]:
    """The interval of an arm's macro-F1; that of its accuracy if all answers are right, or all wrong."""
    hits = np.array([a == t for a, t in zip(answers, true, strict=True)])
    if hits.all() or not hits.any():
        return share_interval(hits, codes)
    sums = f1_counts(kinds, true, answers, codes)
    unseen = _unseen(sums.shape[1] // 2) * (len(true) / len(sums))
    low, high = _interval(sums, unseen, macro_f1, _groups(true, codes), DRAWS)
    return max(0.0, low), min(1.0, high)


def macro_f1_change(
    kinds: Sequence[str],
    true: Sequence[str],
    before: Sequence[str],
    after: Sequence[str],
    codes: Codes,
    draws: int = DRAWS,
) -> tuple[float, tuple[float, float]]:
    """The change of macro-F1 and its interval; each draw has the same weights for both arms."""
    counted = [f1_counts(kinds, true, answers, codes) for answers in (before, after)]
    sums = np.concatenate(counted, axis=1)
    unseen = np.tile(_unseen(sums.shape[1] // 4), 2) * (len(true) / len(sums))
    low, high = _interval(sums, unseen, _gain, _groups(true, codes), draws)
    return float(_gain(sums.sum(axis=0))), (max(-1.0, low), min(1.0, high))


def _interval(
    sums: Floats,
    unseen: Floats,
    statistic: Callable[[Floats], Floats],
    groups: float,
    draws: int,
) -> tuple[float, float]:
    estimate = float(statistic(sums.sum(axis=0)))
    values = resampled(sums, statistic, draws, unseen, _UNSEEN)
    low, high = percentiles(values)
    wider = np.sqrt((groups + 1) / (groups - 1))
    return (
        min(estimate, float(estimate + wider * (low - estimate))),
        max(estimate, float(estimate + wider * (high - estimate))),
    )


def _gain(sums: Floats) -> Floats:
    before, after = np.split(sums, 2, axis=-1)
    return macro_f1(after) - macro_f1(before)


def _unseen(kinds: int) -> Floats:
    """A right note and a wrong note of each kind as rows of `f1_counts`: shape (2 * kinds, 2 * kinds).

    A wrong answer is spread evenly over the other kinds.
    """
    own = np.eye(kinds)
    others = (1 - own) / max(1, kinds - 1)
    right = np.concatenate([own, 2 * own], axis=1)
    wrong = np.concatenate([0 * own, own + others], axis=1)
    return np.concatenate([right, wrong])


def _groups(true: Sequence[str], codes: Codes) -> float:
    """The number of equally large groups that a kind's notes are worth: the mean over kinds, at least 2."""
    kinds = np.array(true, dtype=object)
    sizes = [np.bincount(codes[kinds == kind]) for kind in set(true)]
    worth = [size.sum() ** 2 / (size**2).sum() for size in sizes]
    return max(2.0, float(np.mean(worth)))


def _present(kinds: Sequence[str], true: Sequence[str]) -> list[str]:
    occurring = set(true)
    return [kind for kind in kinds if kind in occurring]
