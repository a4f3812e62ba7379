"""Sentences for someone who has never heard of the figures' names, and true at the edges."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.reports.text import explanations
from nightschool.reports.text.captions import how_to_read
from nightschool.reports.text.report_tables import remarks
from nightschool.reports.text.wording import p_value
from nightschool.stats.paired import paired
from nightschool.stats.results import Report
from tests.reports.reports_example import REPORT


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (0.0004, "this less than once in 1,000 nights"),
        (0.002, "this in 2 of 1,000 nights"),
        (0.0096, "this in 1 % of such nights"),
        (0.21, "this in 21 % of such nights"),
    ],
)
def test_mcnemar_is_said_in_words_first_of_single_notes(
    report: Report, p: float, said: str
) -> None:
    report["dataset"]["groups"] = report["items"]
    report["paired"] |= {"p_better": 1 - p / 2, "p_worse": 0.0}
    text = explanations.by_chance(report)
    assert text.index(said) < text.index("McNemar")
    assert f"p = {p:.3f}" in text or p < 0.001
    assert "group" not in text
    report["paired"] |= {"p_better": 0.0, "p_worse": 1 - p / 2}
    assert explanations.by_chance(report) == text


@given(st.lists(st.integers(-1, 1), min_size=1, max_size=40))
def test_the_p_of_single_notes_is_that_of_mcnemar(changed: list[int]) -> None:
    report = copy.deepcopy(REPORT)
    true, before, after = (
        ["a"] * len(changed),
        ["ab"[d > 0] for d in changed],
        ["ab"[d < 0] for d in changed],
    )
    singles = [str(n) for n in range(len(changed))]
    report["paired"] = found = paired(["a", "b"], true, before, after, singles, draws=2)
    report["items"] = report["dataset"]["groups"] = len(changed)
    if found["wins"] + found["losses"]:
        assert f"McNemar test, {p_value(found['mcnemar_p'])}" in explanations.by_chance(report)


def test_notes_that_were_fixed_together_are_one_piece_of_luck(report: Report) -> None:
    """Ten fixed, all of one group: McNemar, of single notes, would find p = 0.002."""
    true, before = ["a"] * 40, ["b"] * 10 + ["a"] * 30
    groups = ["one"] * 10 + [str(n) for n in range(30)]
    report["paired"] = paired(["a", "b"], true, before, true, groups, draws=2)
    report["items"], report["dataset"]["groups"] = 40, 31
    assert report["paired"]["mcnemar_p"] == pytest.approx(0.002, abs=1e-4)
    text = explanations.by_chance(report)
    assert "this in 100 % of such nights" in text and "by group, p = 1.000" in text
    assert "40 test notes are of 31 groups" in text and "design effect 7." in text
    assert "McNemar" not in text


def test_against_the_model_in_use_no_gain_is_no_probability(report: Report) -> None:
    better = {**report["paired"], "wins": 3, "losses": 2, "p_better": 0.5}
    assert explanations.better_than_champion(better) == "better with a probability of at least 50 %"
    worse = {**better, "losses": 3, "p_better": 0.0}
    assert explanations.better_than_champion(worse) == "no better"


def test_no_change_has_no_p(report: Report) -> None:
    report["paired"] |= {"wins": 0, "losses": 0}
    assert "McNemar" not in explanations.by_chance(report)


@pytest.mark.parametrize(
    ("items", "groups", "rough"),
    [(80, 2, True), (80, 19, True), (80, 20, False), (8, 8, False), (8, 7, True)],
)
def test_intervals_from_a_few_groups_are_called_rough(
    report: Report, items: int, groups: int, rough: bool
) -> None:
    report["items"], report["dataset"]["groups"] = items, groups
    said = [how_to_read("accuracy", report), *remarks(report)]
    assert [("the intervals are rough" in line) for line in said][:2] == [rough, rough]


@pytest.mark.parametrize(
    ("threshold", "validation", "in_use", "said"),
    [
        (0.4, 55, True, "nightschool classify uses it."),
        (0.4, 55, True, "answers to 86 % of the notes stand, and 10 % of these are wrong."),
        (0.4, 55, False, "abstain = true"),
        (0.0, 55, True, "does not pay"),
        (0.0, 0, True, "no validation notes"),
    ],
)
def test_a_threshold_says_where_it_comes_from(
    report: Report, threshold: float, validation: int, in_use: bool, said: str
) -> None:
    found = report["abstention"]
    assert found is not None
    found |= {"threshold": threshold, "validation": validation, "in_use": in_use}
    assert said in explanations.abstention(report)


@pytest.mark.parametrize(("heat", "said"), [(1.6, "less sure"), (0.7, "more sure")])
def test_a_temperature_says_what_it_does(report: Report, heat: float, said: str) -> None:
    report["calibration"]["after"]["temperature"] = heat
    assert said in explanations.temperature(report)


def test_one_model_needs_no_word_on_choosing_among_models(report: Report) -> None:
    report["looks"] |= {"looks": 1, "models": 1}
    text = explanations.looks(report["looks"])
    assert text == "These test notes have been looked at once, for 1 trained model."


def test_a_check_that_cannot_tell_is_neither_passed_nor_failed(report: Report) -> None:
    check = report["checks"][0]
    check["passed"], check["settled"] = False, False
    assert explanations.checks_by_reference(report)[0]["rows"][0]["state"] == "unsettled"
