"""What a number of test notes can show, and how many test exposures flatter the best model."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import binom, norm

POWER = 0.8
MOST_NOTES = 10_000
"""More test notes than this are out of reach."""


def notes_to_tell(
    wins: float, losses: float, n: float, confidence: float, design_effect: float = 1.0
) -> int | None:
    """How many test notes in all would show the observed difference to `confidence` (one-sided), with
    a power of 80 %, or None where that is more than MOST_NOTES, or nothing differs.

    From the shares of notes that were fixed and broken (Connor 1987, "Sample size for testing
    differences in proportions for the paired-sample design"), times the design effect. The shares are
    as uncertain as they are: what comes out says whether to wait for dozens or for thousands.
    """
    delta, differ = (wins - losses) / n, (wins + losses) / n
    if delta == 0:
        return None
    test, reach = norm.ppf(confidence), norm.ppf(POWER)
    root = test * math.sqrt(differ) + reach * math.sqrt(max(0.0, differ - delta**2))
    return _within_reach(design_effect * (root / delta) ** 2)


def notes_to_bound(n: float, distance: float, error: float, level: float) -> int | None:
    """How many test notes in all would put the lower bound of a two-sided interval above a margin.

    `distance` is how far the estimate lies above the margin, `error` its standard error now, which
    shrinks with the root of the notes; with a power of 80 %. None where it lies below, or that is
    more than MOST_NOTES.
    """
    if distance <= 0:
        return None
    reach = norm.ppf((1 + level) / 2) + norm.ppf(POWER)
    return _within_reach(n * (reach * error / distance) ** 2)


def _within_reach(notes: float) -> int | None:
    return math.ceil(notes) if notes <= MOST_NOTES else None


def optimism(accuracy: float, notes: float, models: int) -> float:
    """By how much the best of `models` equally good models is expected to look better than it is.

    From the binomial distribution of independent answers: models that learnt from the same notes err
    alike, so the true number is smaller.
    """
    n = max(1, round(notes))
    right = np.arange(n + 1)
    below = binom.cdf(right, n, accuracy) ** models
    best = float((right * np.diff(below, prepend=0.0)).sum()) / n
    return max(0.0, best - accuracy)
