from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from nightschool.stats.power import MOST_NOTES, notes_to_bound, notes_to_tell, optimism


def power(wins: float, losses: float, n: int) -> float:
    """How often the exact one-sided test at 5 % promotes, with these shares of wins and losses."""
    differ = wins + losses
    total = 0.0
    for count in range(n + 1):
        least = binom.ppf(0.95, count, 0.5) + 1  # the fewest wins that chance gives in under 5 %
        total += binom.pmf(count, n, differ) * binom.sf(least - 1, count, wins / differ)
    return float(total)


@pytest.mark.parametrize(("wins", "losses"), [(0.27, 0.05), (0.37, 0.15), (0.2, 0.1), (0.1, 0.05)])
def test_so_many_notes_do_tell_four_times_in_five(wins: float, losses: float) -> None:
    notes = notes_to_tell(100 * wins, 100 * losses, 100, 0.95)
    assert notes is not None
    # The formula is of large numbers and the test is exact, so it falls a little short.
    assert 0.72 < power(wins, losses, notes) < 0.84


def test_groups_ask_for_more_notes_and_no_difference_for_no_number() -> None:
    one, two = notes_to_tell(6, 3, 60, 0.95), notes_to_tell(6, 3, 60, 0.95, design_effect=2)
    assert one and two == pytest.approx(2 * one, abs=1)
    assert notes_to_tell(3, 6, 60, 0.95) == one  # worse is told as easily as better
    assert notes_to_tell(5, 5, 60, 0.95) is None
    assert notes_to_tell(0, 0, 60, 0.95) is None
    assert notes_to_tell(501, 499, 2000, 0.95) is None  # more than MOST_NOTES


def test_a_bound_moves_with_the_root_of_the_notes() -> None:
    notes = notes_to_bound(100, 0.1, 0.1, 0.95)
    assert notes == pytest.approx(100 * (1.96 + 0.8416) ** 2, rel=1e-3)
    assert notes_to_bound(100, 0.0, 0.1, 0.95) is None
    assert notes_to_bound(100, 0.001, 0.1, 0.95) is None and MOST_NOTES < 1e6


def test_the_best_of_ten_equal_runs_looks_ten_points_better() -> None:
    assert 0.6 + optimism(0.6, 60, 10) == pytest.approx(0.696, abs=5e-4)
    drawn = np.random.default_rng(0).binomial(60, 0.6, (20_000, 10)).max(axis=1) / 60
    assert optimism(0.6, 60, 10) == pytest.approx(drawn.mean() - 0.6, abs=1e-3)


@given(st.floats(0, 1), st.integers(1, 300), st.integers(1, 50))
def test_more_looks_never_flatter_less(accuracy: float, notes: int, models: int) -> None:
    one, more = optimism(accuracy, notes, models), optimism(accuracy, notes, models + 1)
    assert 0 <= one <= more + 1e-9 <= 1 + 1e-9
    assert optimism(accuracy, notes, 1) == pytest.approx(0, abs=1e-9)
