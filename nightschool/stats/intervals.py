"""Intervals by group: near-duplicates are right or wrong together, so they count as fewer notes.

A group's notes are one draw; groups are independent. Where every note is a group of its own,
everything here is the plain method for independent notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

Floats = NDArray[np.floating[Any]]
Codes = NDArray[np.int64]
"""The group of each note as a number, shape (notes,); part of the notes may leave numbers out."""

LEVEL = 0.95
DRAWS = 4000
# Numbers held at once while resampling: 32 MB.
_BLOCK = 1 << 22


def codes_of(groups: Sequence[str]) -> Codes:
    """Groups as numbers, shape (notes,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)


def wilson(successes: float, trials: float, level: float = LEVEL) -> tuple[float, float]:
    """The score interval of a proportion (Wilson 1927); counts may be fractions, (0, 1) without any."""
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


def share(hits: NDArray[np.bool_], codes: Codes, level: float = LEVEL) -> tuple[float, float]:
    """The interval of the share of `hits`, by group: Wilson's, for as many notes as they are worth.

    So surveys do for rare and common events (Franco, Little, Louis, Slud 2019, "Comparative study of
    confidence intervals for proportions in complex sample surveys").
    """
    if not len(hits):
        return wilson(0, 0, level)
    p = float(hits.mean())
    notes = worth(hits - p, codes, level)
    return wilson(p * notes, notes, level)


def worth(residuals: Floats, codes: Codes, level: float = LEVEL) -> float:
    """As how many independent notes an interval of this level may take them, by group.

    The notes are divided by the design effect (Kish 1965). That is seen from the groups alone, and from a
    few only roughly: so the normal quantile gives way to Student's, with a degree of freedom less
    than there are groups (Korn, Graubard 1998, "Confidence intervals for proportions with small expected
    number of positive counts estimated from survey data"). `residuals` as for `design_effect`; where
    nothing is seen of how alike they are, nothing is corrected either.
    """
    n, groups = len(residuals), len(np.unique(codes))
    notes = n / design_effect(residuals, codes)
    if groups in (1, n) or not residuals.any():
        return notes
    few, many = t.ppf((1 + level) / 2, [groups - 1, n - 1])
    return float(notes * (many / few) ** 2)


def auroc(area: float, real: float, none: float, level: float = LEVEL) -> tuple[float, float]:
    """The score interval of an area under the ROC curve (Newcombe 2006, part 2, method 5).

    Its variance is that of Hanley and McNeil 1982 at each area that is tried, so it has a width also
    where all is ranked right, and holds where one side has but a few notes. `real` and `none` are how
    many independent notes there are on either side; counts may be fractions.
    """
    z2 = float(norm.ppf((1 + level) / 2)) ** 2
    more = (real + none) / 2 - 1

    def compatible(true: float) -> bool:
        alike = (1 - true) / (2 - true) + true / (1 + true)
        variance = true * (1 - true) * (1 + more * alike) / (real * none)
        return bool((area - true) ** 2 <= z2 * variance)

    return border(compatible, area, 0.0), border(compatible, area, 1.0)


def border(compatible: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where, from a point `inside` to the end `outside`, what is compatible ends; by halving."""
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
    """By how much groups widen the variance of a mean: 1 where they do not, never less.

    `residuals` are values less their mean, shape (notes,). Where they are all 0, or there is one
    group only, nothing can be seen of how alike a group's notes are: they are taken to be all alike.
    """
    n = len(residuals)
    sizes = np.bincount(codes)
    sizes = sizes[sizes > 0]
    groups = len(sizes)
    apart = float((residuals**2).sum())
    if groups == n:
        return 1.0
    if apart == 0 or groups == 1:
        return float((sizes**2).sum()) / n
    sums = np.bincount(codes, residuals)
    return max(1.0, float((sums**2).sum()) * groups / (groups - 1) / (apart * n / (n - 1)))


def resampled(
    sums: Floats,
    statistic: Callable[[Floats], Floats],
    draws: int = DRAWS,
    unseen: Floats | None = None,
    weight: float = 0.0,
) -> Floats:
    """A statistic's values under the Bayesian bootstrap over groups (Rubin 1981), shape (draws, ...).

    `sums` holds a row of counts for each group, shape (groups, counts); each draw weighs the groups
    by standard exponential numbers, and `statistic` gets the weighted sums, shape (some, counts). No
    group's weight is ever 0, so no kind ever drops out of a draw. `unseen` holds rows that a
    prior adds, weighed by gamma numbers of mean `weight`. The seed is fixed: equal answers give equal
    intervals.
    """
    random = np.random.default_rng(0)
    size = len(sums)

    def drawn(rows: int) -> Floats:
        found: Floats = random.standard_exponential((rows, size)) @ sums
        if unseen is not None:
            found += random.standard_gamma(weight, (rows, len(unseen))) @ unseen
        return statistic(found)

    return np.concatenate([drawn(rows) for rows in _blocks(draws, size)])


def _blocks(draws: int, groups: int) -> Iterator[int]:
    most = max(1, _BLOCK // max(1, groups))
    for done in range(0, draws, most):
        yield min(most, draws - done)


def percentiles(values: Floats, level: float = LEVEL) -> tuple[float, float]:
    """The middle `level` of resampled values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
