"""The paired comparison of new and earlier answers: what was fixed and broken, and how certain that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, binomtest, norm

from nightschool.stats.intervals import (
    DRAWS,
    LEVEL,
    Codes,
    codes_of,
    design_effect,
    effective_notes,
    last_compatible,
)
from nightschool.stats.macro_f1 import macro_f1_change
from nightschool.stats.results import Paired


def paired(
    kinds: Sequence[str],
    true: Sequence[str],
    before: Sequence[str],
    after: Sequence[str],
    groups: Sequence[str],
    draws: int = DRAWS,
) -> Paired:
    """Compare two arms note by note; `groups` has the name of each note's group.

    `p_better` and `p_worse` are 1 - `sign_flip`. `delta_ci` is `tango` with the effective number of notes.
    `delta_macro_f1_ci` is that of `macro_f1_change` or, if all draws are equal, as with equal answers,
    `delta_ci`. Raises ValueError without notes.
    """
    if not true:
        raise ValueError("there are no notes to compare")
    codes = codes_of(groups)
    difference = differences(true, before, after)
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    n, delta = len(difference), float(difference.mean())
    notes = effective_notes(difference - delta, codes)
    macro, macro_interval = macro_f1_change(kinds, true, before, after, codes, draws)
    interval = tango(wins * notes / n, losses * notes / n, notes)
    return Paired(
        wins=wins,
        losses=losses,
        mcnemar_p=mcnemar(wins, losses),
        p_better=1 - sign_flip(difference, codes),
        p_worse=1 - sign_flip(-difference, codes),
        design_effect=design_effect(difference - delta, codes),
        delta_accuracy=delta,
        delta_ci=interval,
        delta_macro_f1=macro,
        delta_macro_f1_ci=macro_interval if macro_interval[0] < macro_interval[1] else interval,
    )


def differences(
    true: Sequence[str], before: Sequence[str], after: Sequence[str]
) -> NDArray[np.int64]:
    """1 for a fixed note, -1 for a broken one, else 0; shape (notes,)."""
    return np.array(
        [int(b == t) - int(a == t) for t, a, b in zip(true, before, after, strict=True)],
        dtype=np.int64,
    )


def mcnemar(wins: int, losses: int) -> float:
    """The exact two-sided p-value of McNemar (1947): how often chance gives a split this uneven."""
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def sign_flip(difference: NDArray[np.int64], codes: Codes) -> float:
    """The exact one-sided p-value: how often equally good models would show at least this gain.

    If the models were equally good, each group's net gain could as well be a loss of the same size
    (Fisher 1935). All combinations of signs are counted, by convolution, so the p-value is valid for any
    dependence within groups. If every note is a group of its own, this is the one-sided exact McNemar
    test, and 1 - p is the posterior probability that more than half of the notes on which the models
    differ are gains, under the sceptical prior Beta(0, 1).
    """
    nets = np.bincount(codes, difference).astype(np.int64)
    sizes, counts = np.unique(np.abs(nets[nets != 0]), return_counts=True)
    chances = np.ones(1)  # of each sum, from the least (all groups lose) to the greatest
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        ways = np.zeros(2 * size * count + 1)
        ways[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, ways)
    least = -int((sizes * counts).sum())
    return min(1.0, float(chances[int(nets.sum()) - least :].sum()))


def tango(wins: float, losses: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """The score interval of a difference of paired proportions (Tango 1998); counts may be fractions.

    Like Wilson's, it inverts the test of each difference. So it stays within -1 and 1, has a width even
    if no note or every note differs, and keeps its coverage at small counts, where a bootstrap does not
    because it draws observed notes only.
    """
    z2 = float(norm.ppf((1 + level) / 2)) ** 2

    def compatible(delta: float) -> bool:
        # The maximum-likelihood share of losses under `delta`, from Tango's quadratic.
        b = (2 * n - wins + losses) * delta - wins - losses
        c = -losses * delta * (1 - delta)
        lost = (np.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
        variance = n * (2 * lost + delta * (1 - delta))
        return bool((wins - losses - n * delta) ** 2 <= z2 * variance)

    estimate = (wins - losses) / n
    return last_compatible(compatible, estimate, -1.0), last_compatible(compatible, estimate, 1.0)
