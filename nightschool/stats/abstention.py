"""Abstention: leaving notes with uncertain answers unsorted, and detecting notes of no kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nightschool.stats.intervals import (
    Codes,
    Floats,
    auroc_interval,
    effective_notes,
    share_interval,
)
from nightschool.stats.results import OutOfScope, RiskCoverage, Sorting

Bools = NDArray[np.bool_]


def risk_coverage(confidence: Floats, right: Bools) -> RiskCoverage:
    """The risk-coverage curve: the share of wrong answers among the most confident ones, and its area.

    El-Yaniv, Wiener 2010. The area (AURC) is the mean risk over all coverages (Geifman, Uziel,
    El-Yaniv 2019). There is a point for each distinct confidence; the errors of notes of equal
    confidence are spread evenly over them, because they have no order.
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
    """The lowest threshold with the least mean cost: notes of lower confidence stay unsorted.

    Chow 1970, "On optimum recognition error and reject tradeoff": a wrong kind costs 1, a note of a
    kind that is left unsorted `unsorted_cost`, a correct answer nothing. `rows`, shape (notes, kinds),
    are the probabilities of the validation notes; `none` is the index of the kind none. Candidates lie
    half-way between neighbouring confidences. 0 if leaving notes unsorted never pays, or without notes.
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
    """The result of sorting with a threshold (0: all notes); the other arguments as for `threshold`."""
    answers, kinds = _sorted(rows, none, threshold), np.asarray(true)
    given, hits = answers != _unsorted(none), answers == kinds
    of_none = kinds == _unsorted(none)
    return Sorting(
        accuracy=float(hits.mean()),
        accuracy_ci=share_interval(hits, codes),
        answered=float(given.mean()),
        right=float(hits[given].mean()) if given.any() else None,
        right_ci=share_interval(hits[given], codes[given]),
        none_recall=float(hits[of_none].mean()) if of_none.any() else None,
        cost=float(_costs(answers, true, none, unsorted_cost).mean()),
    )


def out_of_scope(
    kind: str, rows: Floats, true: Sequence[int], none: int, codes: Codes
) -> OutOfScope | None:
    """How well notes of the kind none are separated from the others; None without such notes.

    `auroc` is the probability that a note of a real kind has a higher probability of its most probable
    real kind than a note of none (Hendrycks, Gimpel 2017); ties count half. For its interval see
    `intervals.auroc_interval`, with the effective number of notes of each class.
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
        recall_ci=share_interval(answered[of_none], codes[of_none]),
        false_alarms=float(answered[~of_none].mean()) if not of_none.all() else 0.0,
        auroc=area,
        auroc_ci=interval,
    )


def _ranked(
    score: Floats, of_none: Bools, codes: Codes
) -> tuple[float | None, tuple[float, float]]:
    """The AUROC of a score that is high for notes of a real kind, and its interval."""
    real, none = score[~of_none], score[of_none]
    if not len(real):
        return None, (0.0, 1.0)
    above = _share_below(none, real), 1 - _share_below(real, none)  # of the other class, by note
    area = float(above[0].mean())
    real_notes, none_notes = (
        effective_notes(shares - area, codes[its])
        for shares, its in zip(above, (~of_none, of_none), strict=True)
    )
    return area, auroc_interval(area, real_notes, none_notes)


def _share_below(scores: Floats, each: Floats) -> Floats:
    """The share of `scores` below each value of `each`; equal ones count half."""
    order = np.sort(scores)
    first, last = (np.searchsorted(order, each, side) for side in ("left", "right"))
    shares: Floats = (first + last) / (2 * len(scores))
    return shares


def _unsorted(none: int | None) -> int:
    """The index of the answer none; -1 if there is no such kind."""
    return -1 if none is None else none


def _sorted(rows: Floats, none: int | None, threshold: float) -> NDArray[np.int64]:
    return np.where(rows.max(axis=1) < threshold, _unsorted(none), rows.argmax(axis=1))


def _costs(
    answers: NDArray[np.int64], true: Sequence[int], none: int | None, unsorted_cost: float
) -> Floats:
    wrong = np.where(answers == _unsorted(none), unsorted_cost, 1.0)
    costs: Floats = np.where(answers == np.asarray(true), 0.0, wrong)
    return costs
