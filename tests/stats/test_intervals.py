"""Intervals: those of the textbooks for independent notes, wider where notes come in groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from nightschool.stats.intervals import (
    codes_of,
    design_effect,
    effective_notes,
    percentiles,
    resampled,
    share_interval,
    wilson,
)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_that_of_statsmodels_and_scipy(counts: tuple[int, int]) -> None:
    k, n = counts
    assert wilson(k, n) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-12)
    exact = binomtest(k, n).proportion_ci(0.9, method="wilson")
    assert wilson(k, n, 0.9) == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_wilson_at_the_ends() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 1)[0] == 0.0 and wilson(1, 1)[1] == 1.0
    assert wilson(0, 60)[1] == pytest.approx(0.0602, abs=1e-4)


hits_and_groups = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_single_notes_have_the_plain_interval(hits: list[bool]) -> None:
    found = share_interval(np.array(hits), codes_of([str(i) for i in range(len(hits))]))
    assert found == pytest.approx(wilson(sum(hits), len(hits)))


@given(hits_and_groups)
def test_groups_never_make_an_interval_narrower(notes: list[tuple[bool, int]]) -> None:
    hits = np.array([hit for hit, _ in notes])
    low, high = share_interval(hits, codes_of([str(group) for _, group in notes]))
    plain = wilson(int(hits.sum()), len(hits))
    assert 0 <= low <= hits.mean() <= high <= 1
    assert high - low >= plain[1] - plain[0] - 1e-9


def test_copies_of_notes_are_worth_no_more_than_the_notes() -> None:
    hits = np.array([True] * 13 + [False] * 7)
    names = [str(i) for i in range(20)]
    once = share_interval(hits, codes_of(names))
    tripled = share_interval(
        np.repeat(hits, 3), codes_of([name for name in names for _ in range(3)])
    )
    assert tripled == pytest.approx(once, abs=0.02)
    assert tripled[0] < once[0] < once[1] < tripled[1]


@pytest.mark.parametrize("hit", [True, False])
def test_where_all_are_right_or_wrong_a_group_counts_once(hit: bool) -> None:
    hits = np.full(30, hit)
    assert share_interval(hits, codes_of(["a"] * 30)) == wilson(int(hit), 1)
    assert share_interval(hits, codes_of([str(i // 3) for i in range(30)])) == wilson(10 * hit, 10)


def test_a_part_of_the_notes_may_leave_groups_out() -> None:
    residuals = np.array([0.5, -0.5, 0.5, -0.5])
    assert design_effect(residuals, np.array([7, 7, 2, 2])) == design_effect(
        residuals, np.array([0, 0, 1, 1])
    )


def test_no_notes_say_nothing() -> None:
    assert share_interval(np.array([], dtype=bool), np.array([], dtype=np.int64)) == (0.0, 1.0)


def test_the_interval_by_group_covers_as_often_as_it_says_and_the_plain_one_does_not() -> None:
    """Forty groups of three notes that are right or wrong together."""
    random = np.random.default_rng(2)
    codes = np.repeat(np.arange(40), 3)
    covered = plain = 0
    for _ in range(400):
        hits = np.repeat(random.random(40) < 0.7, 3)
        low, high = share_interval(hits, codes)
        covered += low <= 0.7 <= high
        low, high = wilson(int(hits.sum()), 120)
        plain += low <= 0.7 <= high
    assert covered >= 365  # 95 % of 400 is 380; below 365 has a probability under 1 in 1000
    assert plain < 340


@pytest.mark.parametrize(("groups", "notes"), [(2, 40), (4, 20), (6, 20)])
def test_the_interval_covers_also_where_the_notes_are_of_a_few_large_groups(
    groups: int, notes: int
) -> None:
    """How alike a group's notes fare is hardly seen from so few groups."""
    random = np.random.default_rng(3)
    codes = np.repeat(np.arange(groups), notes)
    covered = 0
    for _ in range(400):
        hits = random.random(len(codes)) < np.repeat(random.beta(2.8, 1.2, groups), notes)
        low, high = share_interval(hits, codes)
        covered += low <= 0.7 <= high
    assert covered >= 365  # 95 % of 400 is 380; below 365 has a probability under 1 in 1000


def test_notes_of_a_few_groups_are_worth_as_many_as_korn_and_graubard_say() -> None:
    residuals = np.repeat([0.4, -0.6, 0.4, -0.2], 5)
    codes = np.repeat(np.arange(4), 5)
    effect = design_effect(residuals, codes)
    expected = 20 / effect * (2.0930 / 3.1824) ** 2  # Student's 97.5 % with 19 and with 3 degrees
    assert effective_notes(residuals, codes) == pytest.approx(expected, rel=1e-4)
    assert effective_notes(residuals, np.arange(20)) == 20
    assert effective_notes(0 * residuals, codes) == pytest.approx(4)


def test_the_bootstrap_gives_the_posterior_of_a_mean() -> None:
    """With weights from a Dirichlet over n groups the mean of 0 and 1 is Beta(k, n - k)."""
    from scipy.stats import beta

    sums = np.array([[hit, 1.0] for hit in [1.0] * 30 + [0.0] * 20])
    values = resampled(sums, lambda s: s[:, 0] / s[:, 1], draws=20_000)
    assert percentiles(values) == pytest.approx(beta(30, 20).ppf([0.025, 0.975]), abs=0.01)


def test_the_bootstrap_is_the_same_each_time_however_many_groups() -> None:
    sums = np.random.default_rng(0).random((3000, 2))
    one, two = (resampled(sums, lambda s: s[:, 0] / s[:, 1], draws=1500) for _ in range(2))
    assert len(one) == 1500 and (one == two).all()
