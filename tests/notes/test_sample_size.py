"""What a test split of a given size can show."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.sample_size import (
    describe_power,
    detectable_gain,
    power,
    size_warnings,
)
from nightschool.stats.paired import sign_flip


def _power_by_cases(n: int, fixed: float, broken: float) -> float:
    """Summed over every number of fixed and broken notes."""
    chance = 0.0
    for wins, losses in itertools.product(range(n + 1), repeat=2):
        if wins <= losses or wins + losses > n:
            continue
        p = min(
            1,
            2
            * sum(math.comb(wins + losses, k) for k in range(wins, wins + losses + 1))
            / 2 ** (wins + losses),
        )
        if p < 0.05:
            ways = math.comb(n, wins) * math.comb(n - wins, losses)
            chance += (
                ways * fixed**wins * broken**losses * (1 - fixed - broken) ** (n - wins - losses)
            )
    return chance


@pytest.mark.parametrize(
    ("n", "fixed", "broken"), [(5, 0.8, 0.1), (12, 0.6, 0.1), (30, 0.4, 0.15), (41, 0.2, 0.2)]
)
def test_power_equals_the_sum_over_all_cases(n: int, fixed: float, broken: float) -> None:
    assert power(n, fixed, broken) == pytest.approx(_power_by_cases(n, fixed, broken), abs=1e-8)


# Known sizes: 48 to 70 % needs 60 notes if 5 % break, and 90 if 15 % do; 70 to 75 % needs more than 500.
@pytest.mark.parametrize(("n", "broken", "gain"), [(60, 0.05, 0.22), (90, 0.15, 0.22)])
def test_known_sizes_show_the_known_gains(n: int, broken: float, gain: float) -> None:
    found = detectable_gain(n, broken)
    assert found is not None and gain - 0.03 < found <= gain


def test_a_small_gain_needs_hundreds_of_notes() -> None:
    found = detectable_gain(450, 0.05)
    assert found is not None and found > 0.05


@given(st.integers(12, 400), st.integers(1, 50))
def test_more_notes_show_smaller_gains(n: int, more: int) -> None:
    few, many = detectable_gain(n), detectable_gain(n + 10 + more)
    assert few is not None and many is not None
    assert 0 < many < few + 0.005  # the exact test gains in steps
    assert power(n, few + 0.1, 0.1) >= 0.8 > power(n, few + 0.1 - 0.002, 0.1)


def test_power_is_described_in_a_sentence() -> None:
    assert describe_power(5) == "5 test notes are too few to tell any gain from chance"
    assert describe_power(1) == "1 test note is too few to tell any gain from chance"
    assert describe_power(120) == (
        "120 test notes show a gain of 16 points or more (8 times in 10); a smaller gain looks like chance"
    )
    assert "a gain of 1 point or more" in describe_power(30_000)


def test_a_small_test_split_is_warned_about_with_its_small_kinds() -> None:
    assert size_warnings({"b": 4, "a": 9, "c": 47}, 60, 0.95) == [
        f"few test notes: {describe_power(60)}; add notes, or raise split.test",
        "kinds with fewer than 10 test notes cannot be judged separately: a: 9, b: 4",
    ]
    assert size_warnings({"a": 110, "b": 10}, 120, 0.95) == []
    assert size_warnings({"a": 110, "b": 10}, 119, 0.95) == []
    assert size_warnings({"a": 10}, 10, 0.95) == [
        "few test notes: 10 test notes are too few to tell any gain from chance; add notes, or raise split.test"
    ]


@pytest.mark.parametrize("n", [20, 60, 80, 120])
def test_few_groups_are_warned_about_whatever_their_size(n: int) -> None:
    assert size_warnings({"a": n}, 12, 0.95) == [
        f"the {n} test notes form 12 groups (near-duplicates, or notes of one file or source), and notes of a "
        f"group tend to be answered alike; {describe_power(12)}: add notes of other files or sources, or "
        "raise split.test"
    ]


@pytest.mark.parametrize(
    ("groups", "confidence", "least"), [(2, 0.95, 5), (4, 0.95, 5), (5, 0.98, 6), (1, 0.8, 3)]
)
def test_groups_too_few_for_any_promotion_are_warned_about(
    groups: int, confidence: float, least: int
) -> None:
    """Winning every group is the strongest result of the exact test."""
    won, one_more = (sign_flip(np.ones(g, np.int64), np.arange(g)) for g in (least - 1, least))
    assert 1 - won < confidence <= 1 - one_more
    (warning,) = size_warnings({"a": 80}, groups, confidence)
    assert f"form {groups} group" in warning or f"forms {groups} group" in warning
    assert (
        f"with fewer than {least} groups no model can be promoted, whatever it answers" in warning
    )


def test_a_split_of_one_note_is_described_in_the_singular() -> None:
    assert size_warnings({"a": 1}, 1, 0.95)[0].startswith("the 1 test note forms 1 group (")
