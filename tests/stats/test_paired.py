"""The paired comparison: exact where it says so, by group, and checked against other programs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import beta, binomtest, norm
from sklearn.metrics import f1_score
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from nightschool.stats.intervals import codes_of
from nightschool.stats.paired import mcnemar, paired, sign_flip, tango

KINDS = ["a", "b", "c"]


def arms(both: int, wins: int, losses: int, neither: int) -> tuple[list[str], list[str], list[str]]:
    """True kinds and two arms' answers with these counts of right ones."""
    n = both + wins + losses + neither
    before = ["a"] * both + ["b"] * wins + ["a"] * losses + ["b"] * neither
    after = ["a"] * both + ["a"] * wins + ["b"] * losses + ["c"] * neither
    return ["a"] * n, before, after


def single(n: int) -> list[str]:
    """Every note a group of its own."""
    return [str(i) for i in range(n)]


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_that_of_statsmodels(wins: int, losses: int) -> None:
    theirs = (
        statsmodels_mcnemar([[9, losses], [wins, 9]], exact=True).pvalue if wins + losses else 1
    )
    assert mcnemar(wins, losses) == pytest.approx(theirs)


@given(st.integers(0, 40), st.integers(0, 40))
def test_for_single_notes_the_sign_flip_is_mcnemars_one_sided_test(wins: int, losses: int) -> None:
    difference = np.array([1] * wins + [-1] * losses + [0] * 5)
    p = sign_flip(difference, np.arange(len(difference)))
    if wins + losses:
        exact = binomtest(wins, wins + losses, alternative="greater").pvalue
        assert p == pytest.approx(exact)
    if wins:  # and one minus a posterior, under the prior that expects nothing
        assert 1 - p == pytest.approx(beta(wins, losses + 1).sf(0.5))


groups = st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 6)), min_size=1, max_size=14)


@given(groups)
def test_the_sign_flip_counts_every_way_to_flip_the_groups(notes: list[tuple[int, int]]) -> None:
    difference = np.array([d for d, _ in notes])
    codes = codes_of([str(group) for _, group in notes])
    nets = np.bincount(codes, difference)
    sums = [nets @ signs for signs in itertools.product((-1, 1), repeat=len(nets))]
    expected = np.mean(np.array(sums) >= nets.sum())
    assert sign_flip(difference, codes) == pytest.approx(expected)


def test_a_group_that_is_won_together_is_one_win() -> None:
    assert sign_flip(np.ones(9, dtype=np.int64), np.zeros(9, dtype=np.int64)) == 0.5
    assert sign_flip(np.ones(9, dtype=np.int64), np.arange(9)) == pytest.approx(0.5**9)


def test_many_notes_are_quick_and_no_number_is_lost() -> None:
    difference = np.array([1] * 2600 + [-1] * 2400)
    expected = binomtest(2600, 5000, alternative="greater").pvalue
    assert sign_flip(difference, np.arange(5000)) == pytest.approx(expected, rel=1e-6)
    assert 0 < sign_flip(difference, np.arange(5000) // 3) < 1


def tango_by_likelihood(delta: float, wins: int, losses: int, n: int) -> float:
    """Tango's score with the likeliest share of losses found by a search instead of his quadratic."""

    def unlikely(lost: float) -> float:
        won, rest = lost + delta, 1 - 2 * lost - delta
        same = n - wins - losses
        return -float(wins * np.log(won) + losses * np.log(lost) + same * np.log(rest))

    bounds = (max(0.0, -delta) + 1e-12, (1 - delta) / 2 - 1e-12)
    lost = minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    return float((wins - losses - n * delta) / np.sqrt(n * (2 * lost + delta * (1 - delta))))


@pytest.mark.parametrize(
    ("wins", "losses", "n"), [(9, 3, 57), (1, 4, 20), (12, 2, 50), (30, 25, 60)]
)
def test_tangos_bounds_are_where_his_score_is_the_quantile(wins: int, losses: int, n: int) -> None:
    low, high = tango(wins, losses, n)
    z = norm.ppf(0.975)
    assert tango_by_likelihood(low, wins, losses, n) == pytest.approx(z, abs=1e-3)
    assert tango_by_likelihood(high, wins, losses, n) == pytest.approx(-z, abs=1e-3)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_tango_holds_the_estimate_and_mirrors(wins: int, losses: int, same: int) -> None:
    n = max(1, wins + losses + same)
    low, high = tango(wins, losses, n)
    assert -1 <= low <= (wins - losses) / n <= high <= 1
    assert low < high
    assert tango(losses, wins, n) == pytest.approx((-high, -low), abs=1e-9)


def test_tango_covers_as_often_as_it_says_also_with_few_notes() -> None:
    random = np.random.default_rng(1)
    counts = random.multinomial(40, [0.2, 0.05, 0.75], size=500)
    bounds = [tango(wins, losses, 40) for wins, losses, _ in counts.tolist()]
    covered = sum(low <= 0.15 <= high for low, high in bounds)
    assert covered >= 455  # 95 % of 500 is 475; below 455 has a probability under 1 in 1000


def test_wins_losses_and_the_difference_are_counted_in_pairs() -> None:
    found = paired(KINDS, *arms(20, 16, 3, 11), single(50))
    assert (found.wins, found.losses) == (16, 3)
    assert found.delta_accuracy == pytest.approx(13 / 50)
    assert found.design_effect == 1
    assert found.p_better == pytest.approx(1 - binomtest(16, 19, alternative="greater").pvalue)
    assert found.p_worse == pytest.approx(1 - binomtest(3, 19, alternative="greater").pvalue)
    low, high = found.delta_ci
    assert 0.05 < low < 13 / 50 < high < 0.45


def test_macro_f1_and_its_difference_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    true, before, after = (random.choice(KINDS, 60).tolist() for _ in range(3))
    found = paired(KINDS, true, before, after, single(60))
    old, new = (f1_score(true, answers, average="macro") for answers in (before, after))
    assert found.delta_macro_f1 == pytest.approx(new - old)
    assert found.delta_macro_f1_ci
    low, high = found.delta_macro_f1_ci
    assert low < new - old < high


def test_groups_widen_the_interval_and_lower_the_certainty() -> None:
    true, before, after = arms(20, 16, 3, 11)
    alone = paired(KINDS, true, before, after, single(50))
    together = paired(KINDS, true, before, after, [str(i // 4) for i in range(50)])
    assert together.design_effect > 2
    assert together.p_better < alone.p_better
    for wide, narrow in (
        (together.delta_ci, alone.delta_ci),
        (together.delta_macro_f1_ci, alone.delta_macro_f1_ci),
    ):
        assert wide and narrow
        (low, high), (one, two) = wide, narrow
        assert low < one and two < high


@pytest.mark.parametrize("right", [True, False])
def test_answers_that_did_not_change_leave_what_so_few_notes_leave_open(right: bool) -> None:
    true = ["a", "b", "c", "a", "b"]
    answers = true if right else ["b", "a", "a", "b", "a"]
    found = paired(KINDS, true, answers, answers, single(5))
    assert (found.mcnemar_p, found.p_better, found.p_worse) == (1.0, 0.0, 0.0)
    assert found.delta_accuracy == found.delta_macro_f1 == 0
    assert found.delta_ci == found.delta_macro_f1_ci
    assert found.delta_ci[0] < -0.3 and found.delta_ci[1] > 0.3


@given(
    st.lists(st.tuples(*[st.sampled_from(KINDS)] * 3, st.integers(0, 9)), min_size=1, max_size=30)
)
def test_intervals_hold_what_they_are_of(notes: list[tuple[str, str, str, int]]) -> None:
    true, before, after, group = map(list, zip(*notes, strict=True))
    found = paired(KINDS, true, before, after, [str(g) for g in group], draws=50)
    assert found.delta_macro_f1_ci
    low, high = found.delta_macro_f1_ci
    assert low <= found.delta_macro_f1 <= high and low < high
    low, high = found.delta_ci
    assert low <= found.delta_accuracy <= high and low < high


def test_wrong_answers_that_move_between_kinds_change_macro_f1_alone() -> None:
    true = ["a"] * 20 + ["b"] * 20 + ["c"] * 20
    before = ["a"] * 12 + ["b"] * 8 + ["b"] * 20 + ["c"] * 20
    after = ["a"] * 12 + ["b", "c"] * 4 + ["b"] * 20 + ["c"] * 20
    found = paired(KINDS, true, before, after, single(60))
    assert found.wins == found.losses == 0
    assert found.delta_macro_f1_ci
    low, high = found.delta_macro_f1_ci
    assert low <= found.delta_macro_f1 <= high
    assert (low, high) != tuple(found.delta_ci)


def test_one_note_is_compared_and_none_are_refused() -> None:
    found = paired(KINDS, ["a"], ["b"], ["a"], ["x"])
    assert (found.wins, found.p_better, found.delta_accuracy) == (1, 0.5, 1.0)
    with pytest.raises(ValueError, match="no notes"):
        paired(KINDS, [], [], [], [])
