"""Promote, keep or inconclusive, and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightschool.scoring.decision import Judgement, Questions, Rules, against_cheap, decide, judge
from nightschool.stats.results import Check, Paired
from nightschool.stats.terms import ArmName, CheckName, Reference

KINDS = ("a", "b", "none")
RULES = Rules()


def judged(
    *counts: tuple[str, int, int, int, int], together: int = 1, rules: Rules = RULES
) -> Judgement:
    """Judged answers, from (kind, right both times, fixed, broken, wrong both times) of each kind.

    `together` notes in a row are a group.
    """
    true: list[str] = []
    before: list[str] = []
    after: list[str] = []
    for kind, both, fixed, broken, neither in counts:
        wrong = "b" if kind == "a" else "a"
        true += [kind] * (both + fixed + broken + neither)
        before += [kind] * both + [wrong] * fixed + [kind] * broken + [wrong] * neither
        after += [kind] * both + [kind] * fixed + [wrong] * broken + [wrong] * neither
    groups = [str(i // together) for i in range(len(true))]
    test = Questions(KINDS, true, groups, "none")
    return judge(Reference.BEFORE, test, before, after, rules, draws=1000)


def check(judgement: Judgement, name: CheckName) -> Check:
    (found,) = (check for check in judgement.checks if check.name == name)
    return found


def test_what_is_better_in_every_way_is_promoted() -> None:
    found = judged(("a", 10, 8, 1, 3), ("b", 10, 7, 1, 3), ("none", 8, 3, 0, 2))
    assert (found.decision, found.more_notes) == ("promote", None)
    assert all(c.passed for c in found.checks)
    verdict = decide([found], None)
    assert verdict.decision == "promote"
    assert verdict.reason == (
        "18 of 56 test notes fixed, 2 broken: better with a probability of at least 99.9 %"
    )


def test_what_is_worse_is_not_and_no_more_notes_are_asked_for() -> None:
    found = judged(("a", 10, 1, 8, 3), ("b", 10, 1, 7, 3), ("none", 8, 0, 3, 2))
    assert (found.decision, found.more_notes) == ("keep", None)
    assert "worse with a probability of at least 99.9 %" in decide([found], None).reason


def test_what_may_be_chance_is_inconclusive_and_says_how_many_notes_would_tell() -> None:
    found = judged(("a", 20, 5, 3, 3), ("b", 20, 4, 2, 3), ("none", 10, 0, 0, 2))
    assert found.decision == "inconclusive"
    assert found.more_notes is not None and 250 < found.more_notes < 600
    verdict = decide([found], None)
    assert verdict.more_notes == found.more_notes
    assert "better with a probability of 78.8 %; 95 % is required" in verdict.reason


@pytest.mark.parametrize("fixed", [0, 4])
def test_what_shows_no_difference_is_settled_by_no_number_of_notes(fixed: int) -> None:
    found = judged(("a", 20, fixed, fixed, 3), ("b", 20, 0, 0, 3))
    assert (found.decision, found.more_notes) == ("inconclusive", None)


def test_five_wins_and_no_loss_are_the_least_that_promotes() -> None:
    """As many as it takes for chance alone to give them less often than 1 time in 20."""
    assert judged(("a", 30, 5, 0, 5), ("b", 30, 0, 0, 0)).decision == "promote"
    assert judged(("a", 30, 4, 0, 6), ("b", 30, 0, 0, 0)).decision == "inconclusive"


def test_wins_of_one_group_count_once() -> None:
    counts = ("a", 30, 5, 0, 5), ("b", 30, 0, 0, 0)
    assert judged(*counts, together=5).decision == "inconclusive"


def test_a_kind_that_drops_keeps_the_model_that_is_there() -> None:
    found = judged(("a", 5, 20, 0, 5), ("b", 4, 0, 8, 0), ("none", 10, 0, 0, 0))
    assert check(found, CheckName.BETTER).passed
    assert found.decision == "keep"
    reason = decide([found], None).reason
    assert 'of 12 notes "b", 12 recognized before, 4 after: a drop beyond chance' in reason
    assert reason.startswith("20 of 52 test notes fixed, 8 broken")


def test_a_base_that_answers_one_kind_to_everything_does_not_find_that_kind_well() -> None:
    """It finds all 20 of it, and names 60 others so; to find 12 and name few others so is no loss."""
    true = ["a"] * 20 + ["b"] * 60
    after = ["a"] * 12 + ["b"] * 8 + ["b"] * 58 + ["a"] * 2
    test = Questions(KINDS, true, [str(i) for i in range(80)])
    found = judge(Reference.BEFORE, test, ["a"] * 80, after, RULES, draws=1000)
    assert check(found, CheckName.KINDS).passed and found.decision == "promote"


def test_a_kind_with_under_ten_notes_is_not_judged_and_the_reader_is_told() -> None:
    found = check(
        judged(("a", 5, 20, 0, 5), ("b", 3, 0, 6, 0), ("none", 10, 0, 0, 0)), CheckName.KINDS
    )
    assert found.passed and "1 kind with fewer than 10 not checked" in found.detail


def test_where_no_kind_has_ten_notes_it_is_said_that_no_loss_would_be_seen() -> None:
    found = check(judged(("a", 1, 8, 0, 0), ("b", 1, 0, 6, 0)), CheckName.KINDS)
    assert found.passed
    assert found.detail == "no kind has 10 test notes, so a loss would go unnoticed"


def test_none_is_judged_however_few_its_notes_are() -> None:
    found = judged(("a", 5, 20, 0, 5), ("b", 14, 0, 0, 0), ("none", 1, 0, 6, 0))
    assert found.decision == "keep"
    assert 'of 7 notes "none", 7 recognized before, 1 after' in check(found, CheckName.NONE).detail
    few = check(
        judged(("a", 5, 20, 0, 5), ("b", 14, 0, 0, 0), ("none", 0, 0, 4, 0)), CheckName.NONE
    )
    assert (few.passed, few.settled) == (True, False)
    assert "too few notes to see a drop" in few.detail


def test_copies_of_one_note_of_none_are_too_few_to_see_a_drop() -> None:
    few = check(judged(("a", 6, 21, 0, 3), ("none", 0, 0, 6, 0), together=6), CheckName.NONE)
    assert (few.passed, few.settled) == (True, False)
    assert "too few notes to see a drop" in few.detail


def test_without_notes_of_none_there_is_no_such_check() -> None:
    names = [c.name for c in judged(("a", 5, 20, 0, 5), ("b", 14, 0, 0, 0)).checks]
    assert names == ["better", "macro-F1", "kinds"]


def test_a_small_kind_that_is_lost_holds_a_gain_in_a_large_one_up() -> None:
    """Accuracy rises by the large kind alone; macro-F1 weighs the kinds alike."""
    found = judged(("a", 40, 12, 0, 8), ("b", 3, 0, 4, 1))
    assert check(found, CheckName.BETTER).passed
    macro = check(found, CheckName.MACRO_F1)
    assert (macro.passed, macro.settled) == (False, False)
    assert found.decision == "inconclusive"
    assert "the lower bound is not above −0.05" in decide([found], None).reason
    wide = judged(("a", 40, 12, 0, 8), ("b", 3, 0, 4, 1), rules=Rules(margin=0.9))
    assert wide.decision == "promote"


def test_a_stricter_confidence_asks_for_more() -> None:
    counts = ("a", 30, 6, 0, 5), ("b", 30, 0, 0, 0)
    assert judged(*counts).decision == "promote"
    assert judged(*counts, rules=Rules(confidence=0.99)).decision == "inconclusive"


# Several references, and the cheap arms

BETTER = judged(("a", 10, 8, 1, 3), ("b", 10, 7, 1, 3))
OPEN = judged(("a", 20, 5, 3, 3), ("b", 20, 4, 2, 3))
WORSE = judged(("a", 10, 1, 8, 3), ("b", 10, 1, 7, 3))


def against_champion(judgement: Judgement) -> Judgement:
    checks = tuple(replace(c, reference=Reference.CHAMPION) for c in judgement.checks)
    return Judgement(judgement.paired, checks, judgement.decision, judgement.more_notes)


@pytest.mark.parametrize(
    ("before", "champion", "decision"),
    [
        (BETTER, BETTER, "promote"),
        (BETTER, OPEN, "inconclusive"),
        (BETTER, WORSE, "keep"),
        (OPEN, BETTER, "inconclusive"),
        (WORSE, OPEN, "keep"),
    ],
)
def test_a_challenger_has_to_beat_both_the_base_and_the_champion(
    before: Judgement, champion: Judgement, decision: str
) -> None:
    found = decide([before, against_champion(champion)], None)
    assert found.decision == decision
    assert len(found.checks) == len(before.checks) + len(champion.checks)
    assert (found.more_notes is not None) == (decision == "inconclusive")


def test_the_champion_is_judged_with_its_own_words() -> None:
    test = Questions(KINDS, ["a"] * 8 + ["b"] * 8, [str(i) for i in range(16)])
    found = judge(Reference.CHAMPION, test, ["b"] * 16, ["a"] * 16, RULES, draws=100)
    assert check(found, CheckName.BETTER).detail.startswith("against the model in use, 8 of 16")


def pair(p_better: float, p_worse: float) -> Paired:
    return replace(BETTER.paired, p_better=p_better, p_worse=p_worse)


TEST = Questions(KINDS, ["a"] * 20, [str(i) for i in range(20)])


@pytest.mark.parametrize(
    ("pairs", "passed", "detail"),
    [
        ({"majority": (0.999, 0.0)}, True, "better beyond chance than majority"),
        (
            {"majority": (0.999, 0.0), "tfidf-lr": (0.8, 0.1)},
            False,
            "tfidf-lr may be as good: 20 notes cannot tell",
        ),
        (
            {"features-lr": (0.3, 0.5), "tfidf-lr": (0.8, 0.1)},
            False,
            "features-lr and tfidf-lr may be as good: 20 notes cannot tell",
        ),
        ({"features-lr": (0.01, 0.97), "tfidf-lr": (0.8, 0.1)}, False, "features-lr is better"),
        ({"tfidf-lr": (0.01, 0.97), "features-lr": (0.8, 0.1)}, False, "tfidf-lr is better"),
        (
            {"features-lr": (0.01, 0.97), "tfidf-lr": (0.0, 0.99)},
            False,
            "features-lr and tfidf-lr are better",
        ),
    ],
)
def test_a_cheap_arm_that_is_as_good_is_named_and_does_not_stand_in_the_way(
    pairs: dict[str, tuple[float, float]], passed: bool, detail: str
) -> None:
    accuracy = {ArmName.MAJORITY: 0.2, ArmName.TFIDF_LR: 0.6, ArmName.FEATURES_LR: 0.7}
    cheap = {ArmName(name): pair(*both) for name, both in pairs.items()}
    found, rivals = against_cheap(TEST, cheap, accuracy, RULES)
    assert (found.passed, found.detail) == (passed, detail)
    assert [r.name for r in rivals] == [n for n in pairs if pairs[n][0] < 0.95]
    verdict = decide([BETTER], found)
    assert verdict.decision == "promote"
    assert verdict.reason.endswith(f"; but {detail}") != passed


counts = st.tuples(*[st.integers(0, 12)] * 4)


@settings(max_examples=60)
@given(counts, counts, st.sampled_from([1, 2, 5]))
def test_swapping_the_models_never_promotes_both_ways(
    a: tuple[int, int, int, int], b: tuple[int, int, int, int], together: int
) -> None:
    if sum(a) + sum(b) == 0:
        return
    there = judged(("a", *a), ("b", *b), together=together)
    back = judged(
        *[(k, c[0], c[2], c[1], c[3]) for k, c in (("a", a), ("b", b))], together=together
    )
    assert not there.decision == back.decision == "promote"
    # Notes are grouped in their order, so the swapped ones may be grouped otherwise: not always "keep".
    if there.decision == "promote" and together == 1:
        assert back.decision == "keep"
    assert np.isclose(there.paired.delta_accuracy, -back.paired.delta_accuracy)
    assert (there.more_notes or 1) >= 1
