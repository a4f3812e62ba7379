"""What a test split can show is told before the training."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.test_set_size import detectable, enough, power, too_small
from nightschool.stats.paired import sign_flip


def _power_by_cases(n: int, fixed: float, broken: float) -> float:
    """Over every number of notes fixed and broken, counted one by one."""
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
def test_power_is_that_of_the_exact_test_over_all_cases(
    n: int, fixed: float, broken: float
) -> None:
    assert power(n, fixed, broken) == pytest.approx(_power_by_cases(n, fixed, broken), abs=1e-8)


# The numbers that are usually told: 48 to 70 % with 60 notes where 5 % break, with 90 where 15 % do;
# 70 to 75 % with more than 500.
@pytest.mark.parametrize(("n", "broken", "gain"), [(60, 0.05, 0.22), (90, 0.15, 0.22)])
def test_known_sizes_show_the_known_gains(n: int, broken: float, gain: float) -> None:
    found = detectable(n, broken)
    assert found is not None and gain - 0.03 < found <= gain


def test_a_small_gain_needs_hundreds_of_notes() -> None:
    found = detectable(450, 0.05)
    assert found is not None and found > 0.05


@given(st.integers(12, 400), st.integers(1, 50))
def test_more_notes_show_smaller_gains(n: int, more: int) -> None:
    few, many = detectable(n), detectable(n + 10 + more)
    assert few is not None and many is not None
    assert 0 < many < few + 0.005  # the exact test gains in steps
    assert power(n, few + 0.1, 0.1) >= 0.8 > power(n, few + 0.1 - 0.002, 0.1)


def test_what_can_be_shown_is_told_in_a_sentence() -> None:
    assert enough(5) == "5 test notes: any gain is likely to look like chance"
    assert enough(1) == "1 test note: any gain is likely to look like chance"
    assert enough(120) == (
        "120 test notes show a gain of 16 points or more (8 times in 10), a smaller one looks like chance"
    )
    assert "a gain of 1 point or more" in enough(30_000)


def test_a_test_split_that_says_little_is_warned_of_with_its_thin_kinds() -> None:
    assert too_small({"b": 4, "a": 9, "c": 47}, 60, 0.95) == [
        f"few notes to measure with: {enough(60)}; add notes, or raise split.test",
        "fewer than 10 test notes say nothing of a kind by itself (a: 9, b: 4)",
    ]
    assert too_small({"a": 110, "b": 10}, 120, 0.95) == []
    assert too_small({"a": 110, "b": 10}, 119, 0.95) == []
    assert too_small({"a": 10}, 10, 0.95) == [
        "few notes to measure with: 10 test notes: any gain is likely to look like chance; add notes, or "
        "raise split.test"
    ]


@pytest.mark.parametrize("n", [20, 60, 80, 120])
def test_groups_are_warned_of_however_many_notes_they_hold(n: int) -> None:
    assert too_small({"a": n}, 12, 0.95) == [
        f"the {n} test notes are of 12 groups (nearly the same text, or of one file or source): where the "
        f"notes of a group fare alike they are worth no more than so many; {enough(12)}; add notes of "
        "other files or sources, or raise split.test"
    ]


@pytest.mark.parametrize(
    ("groups", "confidence", "least"), [(2, 0.95, 5), (4, 0.95, 5), (5, 0.98, 6), (1, 0.8, 3)]
)
def test_groups_that_cannot_promote_whatever_the_model_does_are_named(
    groups: int, confidence: float, least: int
) -> None:
    """All groups won is what the exact test gives most to."""
    won, one_more = (sign_flip(np.ones(g, np.int64), np.arange(g)) for g in (least - 1, least))
    assert 1 - won < confidence <= 1 - one_more
    (warning,) = too_small({"a": 80}, groups, confidence)
    assert f"of {groups} group" in warning
    assert f"with fewer than {least} no model can be promoted, whatever it answers" in warning


def test_a_split_of_one_note_is_told_in_the_singular() -> None:
    assert too_small({"a": 1}, 1, 0.95)[0].startswith("the 1 test note is of 1 group (")
