"""What a number of test notes can show, which is worth knowing before the training: power analysis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import count

from nightschool.config.printable import listed

# Two-sided. The decision (scoring/decision.py) is one-sided at this level, which needs slightly fewer notes.
_SIGNIFICANCE = 0.05
_POWER = 0.8
# The assumed share of test notes that training breaks while it fixes others; 5 to 15 % are usual.
_BROKEN = 0.1
# A gain that a useful test split detects, for example from 50 to 70 % accuracy.
_TARGET_GAIN = 0.2
# With fewer test notes, no statement is made about a single kind.
MIN_NOTES_OF_KIND = 10


def power(n: int, fixed: float, broken: float) -> float:
    """The probability that n test notes show a gain in the exact two-sided McNemar test at 0.05.

    `fixed` and `broken` are the true shares of notes that only the second model, and only the first
    model, sorts right. Given the number of notes on which the models differ, the number of fixed ones is
    binomial (McNemar 1947).
    """
    import numpy as np  # lazy: numpy
    from scipy.stats import binom  # lazy: scipy

    low, high = binom.ppf([1e-9, 1 - 1e-9], n, fixed + broken)
    differ = np.arange(low, high + 1)
    least = binom.isf(_SIGNIFICANCE / 2, differ, 0.5) + 1  # fixed notes needed for p < 0.05
    shown = binom.sf(least - 1, differ, fixed / (fixed + broken))
    return float(binom.pmf(differ, n, fixed + broken) @ shown)


def detectable_gain(n: int, broken: float = _BROKEN) -> float | None:
    """The smallest gain in accuracy (0 to 1) that n test notes show with power 0.8; None if there is none."""
    low, high = 0.0, 1 - 2 * broken
    if power(n, high + broken, broken) < _POWER:
        return None
    while high - low > 0.0005:
        middle = (low + high) / 2
        low, high = (low, middle) if power(n, middle + broken, broken) >= _POWER else (middle, high)
    return high


def describe_power(n: int) -> str:
    """What n test notes can show, as a sentence."""
    gain = detectable_gain(n)
    notes = f"{n} test note{'s'[: n != 1]}"
    if gain is None:
        return f"{notes} {'is' if n == 1 else 'are'} too few to tell any gain from chance"
    points = math.ceil(100 * gain)
    return (
        f"{notes} show a gain of {points} point{'s'[: points != 1]} or more (8 times in 10); a smaller gain "
        "looks like chance"
    )


def is_underpowered(n: int) -> bool:
    """Whether n test notes miss a gain of 20 points more than 2 times in 10."""
    gain = detectable_gain(n)
    return gain is None or gain > _TARGET_GAIN


def can_never_promote(groups: int, confidence: float) -> bool:
    """Whether test notes of this number of groups cannot reach the required probability at all.

    The strongest result of `paired.sign_flip` is that every group is won, which has probability
    0.5**groups by chance.
    """
    return 1 - 0.5**groups < confidence


def size_warnings(test: Mapping[str, int], groups: int, confidence: float) -> list[str]:
    """Warnings about a test split (kind -> number of test notes) that is too small, overall or for a kind.

    `groups` is the number of groups of these notes, `confidence` the required probability of improvement.
    """
    warnings = []
    n = sum(test.values())
    in_groups = (
        f"the {n} test note{' forms' if n == 1 else 's form'} {groups} group{'s'[: groups != 1]} "
        "(near-duplicates, or notes of one file or source)"
    )
    if can_never_promote(groups, confidence):
        needed = next(more for more in count(groups) if not can_never_promote(more, confidence))
        warnings.append(
            f"{in_groups}; with fewer than {needed} groups no model can be promoted, whatever it answers: "
            "add notes of other files or sources, or raise split.test"
        )
    elif groups < n and is_underpowered(groups):
        warnings.append(
            f"{in_groups}, and notes of a group tend to be answered alike; {describe_power(groups)}: add "
            "notes of other files or sources, or raise split.test"
        )
    elif is_underpowered(n):
        warnings.append(f"few test notes: {describe_power(n)}; add notes, or raise split.test")
    small = [f"{kind}: {its}" for kind, its in sorted(test.items()) if its < MIN_NOTES_OF_KIND]
    if small:
        warnings.append(
            f"kinds with fewer than {MIN_NOTES_OF_KIND} test notes cannot be judged separately: "
            f"{listed(small)}"
        )
    return warnings
