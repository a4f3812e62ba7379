"""Abstention: leaving notes with uncertain answers unsorted, and detecting notes of no kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nightschool.stats.intervals import Codes, Floats, auroc, share, worth
from nightschool.stats.results import OutOfScope, RiskCoverage, Sorting

Bools = NDArray[np.bool_]


def risk_coverage(confidence: Floats, right: Bools) -> RiskCoverage:
    """The share of wrong answers among the most confident ones, for every coverage, and its area.

    El-Yaniv, Wiener 2010; the area (AURC) as Geifman, Uziel, El-Yaniv 2019 define it: the mean risk
    over all coverages. Notes of equal confidence have no order, so their errors are spread evenly.
    There is a point for each distinct confidence.
    """
    n = len(right)
    order = np.argsort(-confidence, kind="stable")
    sure, wrong = confidence[order], ~right[order]
    ends = np.append(np.flatnonzero(np.diff(sure)), n - 1)  # the last note of each confidence
    errors = np.cumsum(wrong)[ends]
    each = np.interp(np.arange(1, n + 1), np.append(0, ends + 1), np.append(0, errors))
    return RiskCoverage(
        points=tuple(
            ((e + 1) / n, k / (e + 1)) for e, k in zip(ends.tolist(), errors.tolist(), strict=True)
        ),
        aurc=float((each / np.arange(1, n + 1)).mean()),
        risk=float(wrong.mean()),
    )


def threshold(rows: Floats, true: Sequence[int], none: int | None, unsorted_cost: float) -> float:
    """The confidence below which a note is better left unsorted: the least with the least mean cost.

    Chow 1970, "On optimum recognition error and reject tradeoff": a wrong kind costs 1, a note of a
    kind that is left unsorted `unsorted_cost`, and what is right nothing. `rows` (notes, kinds) are
    validation notes' probabilities, `none` the index of the kind none. 0 where leaving notes unsorted
    never pays, or there are no notes. Thresholds lie half-way between neighbouring confidences.
    """
    if not len(rows):
        return 0.0
    sure = np.unique(rows.max(axis=1))
    tried = np.concatenate([[0.0], (sure[1:] + sure[:-1]) / 2, [(sure[-1] + 1) / 2]])
    costs = [_costs(_sorted(rows, none, t), true, none, unsorted_cost).mean() for t in tried]
    return float(tried[int(np.argmin(costs))])


def sorting(
    rows: Floats,
    true: Sequence[int],
    none: int | None,
    threshold: float,
    unsorted_cost: float,
    codes: Codes,
) -> Sorting:
    """The result of sorting with a threshold; 0 sorts all. Arguments as for `threshold`; `codes` are groups."""
    answers, kinds = _sorted(rows, none, threshold), np.asarray(true)
    given, hits = answers != _unsorted(none), answers == kinds
    of_none = kinds == _unsorted(none)
    return Sorting(
        accuracy=float(hits.mean()),
        accuracy_ci=share(hits, codes),
        answered=float(given.mean()),
        right=float(hits[given].mean()) if given.any() else None,
        right_ci=share(hits[given], codes[given]),
        none_recall=float(hits[of_none].mean()) if of_none.any() else None,
        cost=float(_costs(answers, true, none, unsorted_cost).mean()),
    )


def out_of_scope(
    kind: str, rows: Floats, true: Sequence[int], none: int, codes: Codes
) -> OutOfScope | None:
    """How well notes of the kind none are separated from the others; None without such notes.

    `auroc` is the probability that a note of a real kind has a higher probability for its likeliest
    real kind than a note of none (Hendrycks, Gimpel 2017), ties counted half; its interval is
    `intervals.auroc`, for as many notes as the groups are worth on either side.
    """
    kinds = np.asarray(true)
    of_none, answered = kinds == none, rows.argmax(axis=1) == none
    if not of_none.any():
        return None
    others = np.delete(rows, none, axis=1).max(axis=1)
    area, interval = _ranked(others, of_none, codes)
    return OutOfScope(
        kind=kind,
        n=int(of_none.sum()),
        recall=float(answered[of_none].mean()),
        recall_ci=share(answered[of_none], codes[of_none]),
        false_alarms=float(answered[~of_none].mean()) if not of_none.all() else 0.0,
        auroc=area,
        auroc_ci=interval,
    )


def _ranked(
    score: Floats, of_none: Bools, codes: Codes
) -> tuple[float | None, tuple[float, float]]:
    """How often a note of a real kind scores above one of none, and the interval of that."""
    real, none = score[~of_none], score[of_none]
    if not len(real):
        return None, (0.0, 1.0)
    above = _share_below(none, real), 1 - _share_below(real, none)  # of the other side, by note
    area = float(above[0].mean())
    real_notes, none_notes = (
        worth(shares - area, codes[its])
        for shares, its in zip(above, (~of_none, of_none), strict=True)
    )
    return area, auroc(area, real_notes, none_notes)


def _share_below(scores: Floats, each: Floats) -> Floats:
    """For each number the share of the scores that lie below it, equal ones counted half."""
    order = np.sort(scores)
    first, last = (np.searchsorted(order, each, side) for side in ("left", "right"))
    shares: Floats = (first + last) / (2 * len(scores))
    return shares


def _unsorted(none: int | None) -> int:
    """The answer that stands for no kind; -1 where no kind does."""
    return -1 if none is None else none


def _sorted(rows: Floats, none: int | None, threshold: float) -> NDArray[np.int64]:
    return np.where(rows.max(axis=1) < threshold, _unsorted(none), rows.argmax(axis=1))


def _costs(
    answers: NDArray[np.int64], true: Sequence[int], none: int | None, unsorted_cost: float
) -> Floats:
    wrong = np.where(answers == _unsorted(none), unsorted_cost, 1.0)
    costs: Floats = np.where(answers == np.asarray(true), 0.0, wrong)
    return costs
