from __future__ import annotations

import pytest
from scipy.stats import binom

from nightschool.scoring.comparison import decide, paired


def arms(both: int, wins: int, losses: int, neither: int) -> tuple[list[str], list[str], list[str]]:
    """True kinds and two arms' answers with these counts of right ones."""
    n = both + wins + losses + neither
    before = ["a"] * both + ["b"] * wins + ["a"] * losses + ["b"] * neither
    after = ["a"] * both + ["a"] * wins + ["b"] * losses + ["c"] * neither
    return ["a"] * n, before, after


def test_wins_losses_and_the_difference_are_counted_in_pairs() -> None:
    pair = paired(*arms(both=20, wins=16, losses=3, neither=11))
    assert (pair["wins"], pair["losses"]) == (16, 3)
    assert pair["delta_accuracy"] == pytest.approx(13 / 50)
    # Twice the smaller tail of Binomial(19, 1/2), from the definition of the exact test.
    assert pair["mcnemar_p"] == pytest.approx(2 * binom.cdf(3, 19, 0.5))
    low, high = pair["delta_ci"]
    assert 0.05 < low < 13 / 50 < high < 0.45


def test_equal_arms_differ_by_nothing() -> None:
    pair = paired(*arms(10, 0, 0, 5))
    assert (pair["mcnemar_p"], pair["delta_accuracy"], pair["delta_ci"]) == (1.0, 0.0, [0.0, 0.0])


def test_the_interval_covers_a_known_difference_as_often_as_it_says() -> None:
    import numpy as np

    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(60):
        outcome = rng.choice(4, size=80, p=[0.4, 0.3, 0.1, 0.2])
        counts = [int((outcome == i).sum()) for i in range(4)]
        low, high = paired(*arms(*counts))["delta_ci"]
        covered += low <= 0.2 <= high
    assert covered >= 52  # 95 % of 60 is 57; below 52 has a probability under 1 %


@pytest.mark.parametrize(
    ("counts", "decision"),
    [
        ((20, 16, 3, 11), "promote"),
        ((20, 3, 16, 11), "keep"),
        ((30, 6, 3, 11), "inconclusive"),
        ((30, 5, 0, 11), "inconclusive"),
        ((30, 6, 0, 11), "promote"),
        ((50, 0, 0, 0), "inconclusive"),
    ],
)
def test_only_what_is_beyond_chance_decides(
    counts: tuple[int, int, int, int], decision: str
) -> None:
    found, reason = decide(paired(*arms(*counts)), sum(counts))
    assert found == decision
    assert f"{counts[1]} of {sum(counts)} test notes fixed, {counts[2]} broken" in reason
