"""Intervals by group: near-duplicates are right or wrong together, so they count as fewer notes.

A group's notes are drawn together; groups are independent. If every note is a group of its own,
each method here is the usual one for independent notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

Floats = NDArray[np.floating[Any]]
Codes = NDArray[np.int64]
"""The group of each note as a number, shape (notes,); a subset of the notes may lack some numbers."""

LEVEL = 0.95
DRAWS = 4000
# Numbers held at once while resampling: 32 MB.
_BLOCK = 1 << 22


def codes_of(groups: Sequence[str]) -> Codes:
    """Groups as numbers, shape (notes,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)


def wilson(successes: float, trials: float, level: float = LEVEL) -> tuple[float, float]:
    """The score interval of a proportion (Wilson 1927); counts may be fractions; (0, 1) without trials."""
    if trials <= 0:
        return 0.0, 1.0
    z = float(norm.ppf((1 + level) / 2))
    p, extra = successes / trials, z * z / trials
    middle = (p + extra / 2) / (1 + extra)
    half = z * np.sqrt(p * (1 - p) / trials + extra / (4 * trials)) / (1 + extra)
    # At the ends the exact bound is the end itself; rounding must not move it.
    low = 0.0 if p == 0 else max(0.0, float(middle - half))
    high = 1.0 if p == 1 else min(1.0, float(middle + half))
    return low, high


def share_interval(
    hits: NDArray[np.bool_], codes: Codes, level: float = LEVEL
) -> tuple[float, float]:
    """The interval of the share of `hits`, by group: Wilson's, with the effective number of notes.

    The method of surveys for rare and common events (Franco, Little, Louis, Slud 2019, "Comparative
    study of confidence intervals for proportions in complex sample surveys").
    """
    if not len(hits):
        return wilson(0, 0, level)
    p = float(hits.mean())
    notes = effective_notes(hits - p, codes, level)
    return wilson(p * notes, notes, level)


def effective_notes(residuals: Floats, codes: Codes, level: float = LEVEL) -> float:
    """The effective number of notes: how many independent ones the groups are worth at this level.

    The number of notes divided by the design effect (Kish 1965). A few groups determine the design
    effect only roughly, so the t quantile, with one degree of freedom less than there are groups,
    replaces the normal one (Korn, Graubard 1998, "Confidence intervals for proportions with small
    expected number of positive counts estimated from survey data"). `residuals` are as for
    `design_effect`; if that cannot be estimated from them, there is no such correction.
    """
    n, groups = len(residuals), len(np.unique(codes))
    notes = n / design_effect(residuals, codes)
    if groups in (1, n) or not residuals.any():
        return notes
    few, many = t.ppf((1 + level) / 2, [groups - 1, n - 1])
    return float(notes * (many / few) ** 2)


def auroc_interval(
    area: float, real: float, none: float, level: float = LEVEL
) -> tuple[float, float]:
    """The score interval of an area under the ROC curve (Newcombe 2006, part 2, method 5).

    Its variance is that of Hanley and McNeil 1982 at each candidate area. So it has a width even if all
    notes are ranked correctly, and is valid even if one class has only a few notes. `real` and `none`
    are the numbers of independent notes of each class, which may be fractions.
    """
    z2 = float(norm.ppf((1 + level) / 2)) ** 2
    more = (real + none) / 2 - 1

    def compatible(true: float) -> bool:
        alike = (1 - true) / (2 - true) + true / (1 + true)
        variance = true * (1 - true) * (1 + more * alike) / (real * none)
        return bool((area - true) ** 2 <= z2 * variance)

    return last_compatible(compatible, area, 0.0), last_compatible(compatible, area, 1.0)


def last_compatible(compatible: Callable[[float], bool], inside: float, outside: float) -> float:
    """The end of the compatible values between `inside` and `outside`, by bisection."""
    if inside == outside or compatible(outside):
        return outside
    for _ in range(50):
        middle = (inside + outside) / 2
        if compatible(middle):
            inside = middle
        else:
            outside = middle
    return inside


def design_effect(residuals: Floats, codes: Codes) -> float:
    """The factor, at least 1, by which groups increase the variance of a mean.

    `residuals` are values minus their mean, shape (notes,). If they are all 0, or if there is only one
    group, the similarity within groups cannot be estimated: the notes of a group are assumed equal.
    """
    n = len(residuals)
    sizes = np.bincount(codes)
    sizes = sizes[sizes > 0]
    groups = len(sizes)
    squares = float((residuals**2).sum())
    if groups == n:
        return 1.0
    if squares == 0 or groups == 1:
        return float((sizes**2).sum()) / n
    sums = np.bincount(codes, residuals)
    return max(1.0, float((sums**2).sum()) * groups / (groups - 1) / (squares * n / (n - 1)))


def resampled(
    sums: Floats,
    statistic: Callable[[Floats], Floats],
    draws: int = DRAWS,
    unseen: Floats | None = None,
    weight: float = 0.0,
) -> Floats:
    """A statistic's values under the Bayesian bootstrap over groups (Rubin 1981), shape (draws, ...).

    `sums` has a row of counts for each group, shape (groups, counts). Each draw weights the groups by
    standard exponential numbers, and `statistic` receives the weighted sums of several draws, shape
    (some, counts). No weight is 0, so no kind is missing from a draw. `unseen` are the rows that a prior
    adds, weighted by gamma numbers of mean `weight`. The seed is fixed: equal answers give equal
    intervals.
    """
    random = np.random.default_rng(0)
    size = len(sums)

    def drawn(rows: int) -> Floats:
        weighted: Floats = random.standard_exponential((rows, size)) @ sums
        if unseen is not None:
            weighted += random.standard_gamma(weight, (rows, len(unseen))) @ unseen
        return statistic(weighted)

    return np.concatenate([drawn(rows) for rows in _blocks(draws, size)])


def _blocks(draws: int, groups: int) -> Iterator[int]:
    most = max(1, _BLOCK // max(1, groups))
    for done in range(0, draws, most):
        yield min(most, draws - done)


def percentiles(values: Floats, level: float = LEVEL) -> tuple[float, float]:
    """The interval that holds the middle share `level` of resampled values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
