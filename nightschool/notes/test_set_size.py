"""Whether so many test notes can show anything, which is worth knowing before the training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import count

from nightschool.notes.decoding import listed

# Two-sided. The decision (scoring/decision.py) asks for as much one-sided, which takes a little less.
_SIGNIFICANCE = 0.05
_POWER = 0.8
# The share of test notes that a training is taken to break while it fixes others; 5 to 15 % are usual.
_BROKEN = 0.1
# From half of the notes right to 70 %.
_WANTED = 0.2
# Below so many test notes, nothing is claimed of a kind by itself.
LEAST_OF_KIND = 10


def power(n: int, fixed: float, broken: float) -> float:
    """The chance that n test notes show a gain, by the exact two-sided McNemar test at 0.05.

    `fixed` and `broken`: the true shares of notes that only the second arm sorts right, and only
    the first. Given the number of notes where the arms differ, those fixed are binomial (McNemar 1947).
    """
    import numpy as np
    from scipy.stats import binom

    low, high = binom.ppf([1e-9, 1 - 1e-9], n, fixed + broken)
    differ = np.arange(low, high + 1)
    least = binom.isf(_SIGNIFICANCE / 2, differ, 0.5) + 1  # of them fixed, for p < 0.05
    shown = binom.sf(least - 1, differ, fixed / (fixed + broken))
    return float(binom.pmf(differ, n, fixed + broken) @ shown)


def detectable(n: int, broken: float = _BROKEN) -> float | None:
    """The smallest gain in accuracy (0 to 1) that n test notes show 8 times in 10; None: no gain."""
    low, high = 0.0, 1 - 2 * broken
    if power(n, high + broken, broken) < _POWER:
        return None
    while high - low > 0.0005:
        middle = (low + high) / 2
        low, high = (low, middle) if power(n, middle + broken, broken) >= _POWER else (middle, high)
    return high


def enough(n: int) -> str:
    """What so many test notes can show, in a sentence."""
    least = detectable(n)
    notes = f"{n} test note{'s'[: n != 1]}"
    if least is None:
        return f"{notes}: any gain is likely to look like chance"
    points = math.ceil(100 * least)
    return (
        f"{notes} show a gain of {points} point{'s'[: points != 1]} or more (8 times in 10), a smaller one "
        "looks like chance"
    )


def shows_little(n: int) -> bool:
    """Whether so many test notes miss a gain of 20 points more often than 2 times in 10."""
    least = detectable(n)
    return least is None or least > _WANTED


def blind(groups: int, confidence: float) -> bool:
    """Whether test notes of so few groups show nothing beyond chance, whatever is answered.

    All of them won, or all lost, is the most that `paired.sign_flip` can see: a chance of 0.5 a group.
    """
    return 1 - 0.5**groups < confidence


def too_small(test: Mapping[str, int], groups: int, confidence: float) -> list[str]:
    """Warnings about a test split (kind -> test notes) that can say little, of all kinds or of some.

    `groups`: how many groups of near-copies, of notes of one file or source, they are of. `confidence`:
    how probable it has to be that a model is better.
    """
    warnings = []
    n = sum(test.values())
    are_of = (
        f"the {n} test note{'s are' if n != 1 else ' is'} of {groups} group{'s'[: groups != 1]} "
        "(nearly the same text, or of one file or source)"
    )
    if blind(groups, confidence):
        least = next(more for more in count(groups) if not blind(more, confidence))
        warnings.append(
            f"{are_of}: with fewer than {least} no model can be promoted, whatever it answers; add notes of "
            "other files or sources, or raise split.test"
        )
    elif groups < n and shows_little(groups):
        warnings.append(
            f"{are_of}: where the notes of a group fare alike they are worth no more than so many; "
            f"{enough(groups)}; add notes of other files or sources, or raise split.test"
        )
    elif shows_little(n):
        warnings.append(f"few notes to measure with: {enough(n)}; add notes, or raise split.test")
    thin = [f"{kind}: {its}" for kind, its in sorted(test.items()) if its < LEAST_OF_KIND]
    if thin:
        warnings.append(
            f"fewer than {LEAST_OF_KIND} test notes say nothing of a kind by itself ({listed(thin)})"
        )
    return warnings
