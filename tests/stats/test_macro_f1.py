"""Macro-F1's draws are scikit-learn's numbers, and its intervals hold the truth where data are few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from nightschool.stats.intervals import Codes, codes_of, resampled
from nightschool.stats.macro_f1 import (
    _groups,
    _unseen,
    f1_counts,
    macro_f1,
    macro_f1_change,
    macro_f1_interval,
)

KINDS = ["a", "b", "c"]

kind = st.sampled_from(KINDS)


@settings(max_examples=40)
@given(st.lists(st.tuples(kind, kind, st.integers(0, 4)), min_size=1, max_size=30))
def test_each_draw_is_scikit_learns_macro_f1_with_the_draws_weights(
    notes: list[tuple[str, str, int]],
) -> None:
    true, answers = [t for t, _, _ in notes], [a for _, a, _ in notes]
    codes = codes_of([str(group) for _, _, group in notes])
    sums = f1_counts(KINDS, true, answers, codes)
    (drawn,) = resampled(sums, macro_f1, draws=1)
    weights = np.random.default_rng(0).standard_exponential((1, len(sums)))[0][codes]
    expected = f1_score(
        true, answers, labels=sorted(set(true)), average="macro", sample_weight=weights,
        zero_division=0.0,
    )  # fmt: skip
    assert drawn == pytest.approx(expected)


def test_what_a_prior_adds_is_a_right_and_a_wrong_note_of_each_kind() -> None:
    """A wrong answer counts half for either of the other two kinds."""
    rows = _unseen(3)
    one = np.zeros(1, dtype=np.int64)
    right = [
        f1_counts(KINDS, [*KINDS, kind], [*KINDS, kind], np.zeros(4, dtype=np.int64))[0]
        for kind in KINDS
    ]
    every = f1_counts(KINDS, KINDS, KINDS, np.zeros(3, dtype=np.int64))[0]
    assert rows[:3] == pytest.approx(np.array(right) - every)
    assert f1_counts(["a"], ["a"], ["b"], one) == pytest.approx(rows[3][[0, 3]][None])
    assert rows[3].sum() == 2 and rows[3][:3].sum() == 0 and (rows[3][4:] == 0.5).all()


def test_a_kinds_groups_are_counted_by_what_they_are_worth() -> None:
    assert _groups(["a"] * 4 + ["b"] * 4, np.arange(8)) == 4
    assert _groups(["a"] * 4 + ["b"] * 4, np.repeat(np.arange(4), 2)) == 2
    # 3 and 1 notes are worth 16 / 10 groups of equal size.
    assert _groups(
        ["a"] * 12, np.array([0, 0, 0, 1] * 3) + np.repeat([0, 2, 4], 4)
    ) == pytest.approx(4.8)
    assert _groups(["a", "b"], np.arange(2)) == 2  # at least


def drawn(random: np.random.Generator, codes: Codes, right: float) -> tuple[list[str], list[str]]:
    """Kinds and answers, the notes of a group alike: wrong ones go to the next kind."""
    groups = int(codes.max()) + 1
    kinds = random.choice(3, groups, p=[0.5, 0.3, 0.2])[codes]
    hits = (random.random(groups) < right)[codes]
    wrong = (kinds + 1) % 3
    return (
        [KINDS[kind] for kind in kinds],
        [KINDS[kind] for kind in np.where(hits, kinds, wrong)],
    )


@pytest.mark.parametrize("each", [1, 3])
def test_the_interval_holds_the_truth_nearly_as_often_as_it_says(each: int) -> None:
    random = np.random.default_rng(0)
    far = np.zeros(200_000, dtype=np.int64)
    true, answers = drawn(random, np.arange(200_000), 0.7)
    truth = float(macro_f1(f1_counts(KINDS, true, answers, far))[0])
    codes = np.repeat(np.arange(60 // each), each)
    held = 0
    for _ in range(50):
        low, high = macro_f1_interval(KINDS, *drawn(random, codes, 0.7), codes)
        held += low <= truth <= high
    assert held >= 41  # below that has a probability under 1 in 1000 at 95 %


@pytest.mark.parametrize("right", [True, False])
def test_a_kind_that_is_all_right_or_all_wrong_is_not_known_for_sure(right: bool) -> None:
    """Every draw of the seen notes alone gives kind b the same F1."""
    true = ["a"] * 20 + ["b"] * 4
    answers = ["a"] * 15 + ["c"] * 5 + ["b" if right else "c"] * 4
    codes = np.arange(24)
    seen = resampled(f1_counts(KINDS, true, answers, codes), macro_f1)
    low, high = macro_f1_interval(KINDS, true, answers, codes)
    if right:
        assert low < np.quantile(seen, 0.025) - 0.05
    else:
        assert high > np.quantile(seen, 0.975) + 0.05


def test_a_change_and_its_reverse_mirror_each_other() -> None:
    random = np.random.default_rng(3)
    true, before, after = (random.choice(KINDS, 50).tolist() for _ in range(3))
    codes = np.arange(50) // 2
    there, (low, high) = macro_f1_change(KINDS, true, before, after, codes)
    back, mirrored = macro_f1_change(KINDS, true, after, before, codes)
    assert there == pytest.approx(-back)
    assert mirrored == pytest.approx((-high, -low), abs=0.02)
    assert low < there < high
