from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from nightschool.stats.abstention import out_of_scope, risk_coverage, sorting, threshold

# Three kinds, the last of which is none; the answers are 0 0 1 2 0.
ROWS = np.array([
    [0.9, 0.1, 0.0], [0.6, 0.2, 0.2], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.45, 0.3, 0.25],
])  # fmt: skip
TRUE = [0, 0, 1, 2, 2]
SINGLE = np.arange(5)


def test_the_surest_notes_come_first() -> None:
    found = risk_coverage(np.array([0.9, 0.6, 0.8, 0.7]), np.array([True, False, True, False]))
    assert found.points == ((0.25, 0), (0.5, 0), (0.75, 1 / 3), (1, 0.5))
    assert found.aurc == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)
    assert found.risk == 0.5


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=7))
def test_notes_of_equal_confidence_count_as_in_the_mean_of_all_their_orders(
    notes: list[tuple[int, bool]],
) -> None:
    import itertools

    confidence, right = np.array([c / 3 for c, _ in notes]), np.array([r for _, r in notes])
    areas = [
        np.mean([1 - right[list(order[: i + 1])].mean() for i in range(len(notes))])
        for order in itertools.permutations(range(len(notes)))
        if all(confidence[a] >= confidence[b] for a, b in itertools.pairwise(order))
    ]
    found = risk_coverage(confidence, right)
    assert found.aurc == pytest.approx(np.mean(areas))
    coverage, risk = found.points[-1]
    assert coverage == 1.0 and risk == pytest.approx(found.risk)


def test_the_threshold_is_the_one_with_the_least_cost() -> None:
    """Only the note at 0.45 is wrong; below half of 0.45 and 0.6 it alone is left unsorted."""
    assert threshold(ROWS, TRUE, 2, 0.5) == pytest.approx((0.45 + 0.6) / 2)
    plain = sorting(ROWS, TRUE, 2, 0.0, 0.5, SINGLE)
    used = sorting(ROWS, TRUE, 2, threshold(ROWS, TRUE, 2, 0.5), 0.5, SINGLE)
    assert (plain.accuracy, plain.answered, plain.right) == (0.8, 0.8, 0.75)
    assert (plain.none_recall, plain.cost) == (0.5, 0.2)
    assert (used.accuracy, used.answered, used.right) == (1.0, 0.6, 1.0)
    assert (used.none_recall, used.cost) == (1.0, 0.0)


def test_what_leaving_a_note_unsorted_costs_decides_how_many_are() -> None:
    rows = np.array([[p, 1 - p] for p in np.linspace(0.55, 0.95, 9)])
    true = [0, 1, 1, 0, 1, 0, 0, 0, 0]
    cheap, middle, dear = (threshold(rows, true, None, cost) for cost in (0.05, 0.5, 1.0))
    assert cheap > middle > 0 and dear == 0


def test_without_a_kind_none_an_unsorted_note_is_neither_right_nor_as_bad_as_wrong() -> None:
    rows = np.array([[0.9, 0.1], [0.55, 0.45]])
    found = sorting(rows, [0, 1], None, 0.6, 0.3, np.arange(2))
    assert (found.accuracy, found.answered, found.right) == (0.5, 0.5, 1.0)
    assert found.none_recall is None and found.cost == pytest.approx(0.15)


def test_where_all_is_right_or_nothing_is_known_nothing_is_left_unsorted() -> None:
    assert threshold(ROWS[:4], TRUE[:4], 2, 0.5) == 0
    assert threshold(np.empty((0, 3)), [], 2, 0.5) == 0


def test_where_all_is_wrong_nothing_is_sorted() -> None:
    found = threshold(ROWS[:3], [1, 1, 0], 2, 0.5)
    assert found > 0.9
    none = sorting(ROWS[:3], [1, 1, 0], 2, found, 0.5, np.arange(3))
    assert (none.answered, none.right, none.right_ci) == (0, None, (0, 1))


def test_notes_of_no_kind_are_told_apart() -> None:
    found = out_of_scope("none", ROWS, TRUE, 2, SINGLE)
    assert found is not None
    assert (found.n, found.recall, found.false_alarms) == (2, 0.5, 0.0)
    assert found.auroc == 1.0 and found.auroc_ci[0] < 0.6 and found.auroc_ci[1] == 1


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auroc_is_that_of_scikit_learn_with_ties(notes: list[tuple[int, bool]]) -> None:
    score, of_none = np.array([s / 6 for s, _ in notes]), np.array([n for _, n in notes])
    rows = np.stack([score, np.zeros(len(notes)), 1 - score], axis=1)
    true = np.where(of_none, 2, 0).tolist()
    found = out_of_scope("none", rows, true, 2, np.arange(len(notes)))
    if not of_none.any():
        assert found is None
    elif of_none.all():
        assert found is not None and (found.auroc, found.auroc_ci) == (None, (0, 1))
    else:
        expected = roc_auc_score(~of_none, score)
        assert found is not None and found.auroc == pytest.approx(expected)
        low, high = found.auroc_ci
        assert 0 <= low <= expected + 1e-9 and expected - 1e-9 <= high <= 1


def measured(real: np.ndarray, none: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """The interval of AUROC of notes with such scores."""
    score = 1 / (1 + np.exp(-np.concatenate([real, none])))
    rows = np.stack([score, np.zeros(len(score)), 1 - score], axis=1)
    found = out_of_scope("none", rows, [0] * len(real) + [2] * len(none), 2, codes)
    assert found is not None
    low, high = found.auroc_ci
    return low, high


@pytest.mark.parametrize(("real", "none"), [(50, 2), (50, 5), (10, 10), (5, 50), (60, 40)])
def test_the_interval_of_auroc_holds_the_true_one_however_few_notes_are_of_none(
    real: int, none: int
) -> None:
    random, true = np.random.default_rng(0), norm.cdf(1.5 / 2**0.5)
    single = np.arange(real + none)
    hits = [
        low <= true <= high
        for low, high in (
            measured(random.normal(1.5, 1, real), random.normal(0, 1, none), single)
            for _ in range(300)
        )
    ]
    assert np.mean(hits) > 0.91


def test_copies_make_the_interval_of_auroc_no_narrower() -> None:
    random = np.random.default_rng(0)
    real, none = random.normal(1, 1, 30), random.normal(0, 1, 20)
    once = measured(real, none, np.arange(50))
    twice = measured(np.repeat(real, 2), np.repeat(none, 2), np.repeat(np.arange(50), 2))
    assert twice == pytest.approx(once, abs=0.02)
    assert np.ptp(measured(np.repeat(real, 2), np.repeat(none, 2), np.arange(100))) < np.ptp(once)
