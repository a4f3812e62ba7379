"""Macro-F1 and its intervals, by group: of one arm, and of the change from one to another.

The Bayesian bootstrap over groups (Rubin 1981) draws what the true shares may be. By itself it trusts
small kinds too much, so two things are added, which `benchmarks/gate_simulation.py` measures:

- for each kind half a group that was not seen, a quarter right and a quarter wrong in every arm: that
  is a gamma prior as Goutte and Gaussier 2005 put on F1. Else a kind that is all right, or all wrong,
  would count as known for sure.
- every draw lies further from the estimate by the root of (g + 1) / (g - 1), where g is the groups that
  a kind has on the average. That makes the bootstrap's variance, which is short by as much, unbiased.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nightschool.stats.intervals import DRAWS, Codes, Floats, percentiles, resampled, share

_UNSEEN = 0.25


def f1_counts(
    kinds: Sequence[str], true: Sequence[str], answers: Sequence[str], codes: Codes
) -> Floats:
    """What macro-F1 is made of, by group: shape (groups, 2 * kinds that occur).

    First the notes of each kind that are answered right, then those that are of it plus those that
    are answered with it: F1 is twice the first through the second.
    """
    present = _present(kinds, true)
    kind = np.array(true, dtype=object)[:, None] == np.array(present, dtype=object)
    answer = np.array(answers, dtype=object)[:, None] == np.array(present, dtype=object)
    both = np.concatenate([kind & answer, kind.astype(int) + answer.astype(int)], axis=1)
    sums = np.zeros((int(codes.max()) + 1, both.shape[1]))
    np.add.at(sums, codes, both)
    return sums


def macro_f1(counted: Floats) -> Floats:
    """Macro-F1 of sums as `f1_counts` gives them, shape (..., 2 * kinds); result shape (...)."""
    hits, both = np.split(counted, 2, axis=-1)
    scores: Floats = (2 * hits / np.where(both > 0, both, 1)).mean(axis=-1)
    return scores


def macro_f1_interval(
    kinds: Sequence[str], true: Sequence[str], answers: Sequence[str], codes: Codes
) -> tuple[float, float]:
    """The interval of an arm's macro-F1. Where all is right, or all wrong, it is that of accuracy."""
    hits = np.array([a == t for a, t in zip(answers, true, strict=True)])
    if hits.all() or not hits.any():
        return share(hits, codes)
    sums = f1_counts(kinds, true, answers, codes)
    unseen = _unseen(sums.shape[1] // 2) * (len(true) / len(sums))
    low, high = _interval(sums, unseen, macro_f1, _groups(true, codes), DRAWS)
    return max(0.0, low), min(1.0, high)


def gain(
    kinds: Sequence[str],
    true: Sequence[str],
    before: Sequence[str],
    after: Sequence[str],
    codes: Codes,
    draws: int = DRAWS,
) -> tuple[float, tuple[float, float]]:
    """The change of macro-F1 and its interval: both arms with the same weights in every draw."""
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
    """A note of each kind that is right in all arms, and one that is wrong, as `f1_counts` counts them.

    A wrong answer is spread over the other kinds. Shape (2 * kinds, 2 * kinds).
    """
    own = np.eye(kinds)
    others = (1 - own) / max(1, kinds - 1)
    right = np.concatenate([own, 2 * own], axis=1)
    wrong = np.concatenate([0 * own, own + others], axis=1)
    return np.concatenate([right, wrong])


def _groups(true: Sequence[str], codes: Codes) -> float:
    """How many groups of equal size a kind's notes are worth, on the average of the kinds; at least 2."""
    kinds = np.array(true, dtype=object)
    sizes = [np.bincount(codes[kinds == kind]) for kind in set(true)]
    worth = [size.sum() ** 2 / (size**2).sum() for size in sizes]
    return max(2.0, float(np.mean(worth)))


def _present(kinds: Sequence[str], true: Sequence[str]) -> list[str]:
    occurring = set(true)
    return [kind for kind in kinds if kind in occurring]
