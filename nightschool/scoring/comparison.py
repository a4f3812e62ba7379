"""Before against after on the same notes: paired, with an interval, and a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

import numpy as np
from scipy.stats import binomtest

Decision = Literal["promote", "keep", "inconclusive"]

SIGNIFICANCE = 0.05
_RESAMPLES = 10_000


class Paired(TypedDict):
    """`wins`: notes that only the second arm sorts right; `losses`: only the first."""

    wins: int
    losses: int
    mcnemar_p: float
    delta_accuracy: float
    delta_ci: list[float]


def paired(true: Sequence[str], before: Sequence[str], after: Sequence[str]) -> Paired:
    """Compare two arms note by note.

    `mcnemar_p` is the exact two-sided test on the notes where they differ (McNemar 1947), and
    `delta_ci` the 95 % percentile bootstrap over notes, 10,000 resamples from a fixed seed.
    """
    difference = np.array(
        [int(b == t) - int(a == t) for t, a, b in zip(true, before, after, strict=True)],
        dtype=np.int8,
    )
    wins, losses = int((difference == 1).sum()), int((difference == -1).sum())
    p = float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    draws = np.random.default_rng(0).integers(len(difference), size=(_RESAMPLES, len(difference)))
    low, high = np.percentile(difference[draws].mean(axis=1), [2.5, 97.5])
    return Paired(
        wins=wins,
        losses=losses,
        mcnemar_p=p,
        delta_accuracy=float(difference.mean()),
        delta_ci=[float(low), float(high)],
    )


def decide(pair: Paired, items: int) -> tuple[Decision, str]:
    """Promote only what is better beyond chance; returns the decision and its reason."""
    change = f"{pair['wins']} of {items} test notes fixed, {pair['losses']} broken"
    test = f"exact McNemar p = {pair['mcnemar_p']:.2g}"
    if pair["mcnemar_p"] >= SIGNIFICANCE:
        return "inconclusive", f"{change}: that can be chance ({test}, not below {SIGNIFICANCE})"
    if pair["delta_accuracy"] > 0:
        return "promote", f"{change}: better beyond chance ({test})"
    return "keep", f"{change}: worse beyond chance ({test})"
