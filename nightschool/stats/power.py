"""How many test notes settle a decision, and by how much test exposures flatter the best model."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import binom, norm

POWER = 0.8
MOST_NOTES = 10_000
"""More test notes than this are not feasible."""


def notes_to_tell(
    wins: float, losses: float, n: float, confidence: float, design_effect: float = 1.0
) -> int | None:
    """The total number of test notes that would show the observed difference at `confidence` (one-sided)
    with a power of 80 %; None if that is more than MOST_NOTES, or if there is no difference.

    From the shares of fixed and broken notes (Connor 1987, "Sample size for testing differences in
    proportions for the paired-sample design"), times the design effect. The shares are uncertain, so the
    result distinguishes dozens from thousands, no more.
    """
    delta, differ = (wins - losses) / n, (wins + losses) / n
    if delta == 0:
        return None
    test, reach = norm.ppf(confidence), norm.ppf(POWER)
    root = test * math.sqrt(differ) + reach * math.sqrt(max(0.0, differ - delta**2))
    return _within_reach(design_effect * (root / delta) ** 2)


def notes_to_bound(n: float, distance: float, error: float, level: float) -> int | None:
    """The total number of test notes that would raise the lower bound of a two-sided interval above a margin.

    `distance` is the estimate minus the margin. `error` is its standard error for `n` notes, which falls
    with the square root of their number. The power is 80 %. None if the estimate is below the margin, or
    if the result is more than MOST_NOTES.
    """
    if distance <= 0:
        return None
    reach = norm.ppf((1 + level) / 2) + norm.ppf(POWER)
    return _within_reach(n * (reach * error / distance) ** 2)


def _within_reach(notes: float) -> int | None:
    return math.ceil(notes) if notes <= MOST_NOTES else None


def optimism(accuracy: float, notes: float, models: int) -> float:
    """How much accuracy the best of `models` equally good models is expected to gain by chance.

    From the binomial distribution of independent answers. Models that were trained on the same notes make
    similar errors, so the true value is smaller.
    """
    n = max(1, round(notes))
    right = np.arange(n + 1)
    below = binom.cdf(right, n, accuracy) ** models
    best = float((right * np.diff(below, prepend=0.0)).sum()) / n
    return max(0.0, best - accuracy)
