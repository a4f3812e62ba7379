"""Sentences for someone who has never heard of the figures' names, and true at the edges."""

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.reports.report_file import parse
from nightschool.reports.text import explanations
from nightschool.reports.text.captions import how_to_read
from nightschool.reports.text.report_tables import remarks
from nightschool.reports.text.wording import p_value
from nightschool.stats.paired import paired
from nightschool.stats.results import Report

Data = dict[str, Any]


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (0.0004, "this less than once in 1,000 nights"),
        (0.002, "this in 2 of 1,000 nights"),
        (0.0096, "this in 1 % of such nights"),
        (0.21, "this in 21 % of such nights"),
    ],
)
def test_mcnemar_is_said_in_words_first_of_single_notes(data: Data, p: float, said: str) -> None:
    data["dataset"]["groups"] = data["items"]
    data["paired"] |= {"p_better": 1 - p / 2, "p_worse": 0.0}
    text = explanations.by_chance(parse(data))
    assert text.index(said) < text.index("McNemar")
    assert f"p = {p:.3f}" in text or p < 0.001
    assert "group" not in text
    data["paired"] |= {"p_better": 0.0, "p_worse": 1 - p / 2}
    assert explanations.by_chance(parse(data)) == text


@given(st.lists(st.integers(-1, 1), min_size=1, max_size=40))
def test_the_p_of_single_notes_is_that_of_mcnemar(report: Report, changed: list[int]) -> None:
    true, before, after = (
        ["a"] * len(changed),
        ["ab"[d > 0] for d in changed],
        ["ab"[d < 0] for d in changed],
    )
    singles = [str(n) for n in range(len(changed))]
    found = paired(["a", "b"], true, before, after, singles, draws=2)
    dataset = replace(report.dataset, groups=len(changed))
    report = replace(report, paired=found, items=len(changed), dataset=dataset)
    if found.wins + found.losses:
        assert f"McNemar test, {p_value(found.mcnemar_p)}" in explanations.by_chance(report)


def test_notes_that_were_fixed_together_are_one_piece_of_luck(data: Data) -> None:
    """Ten fixed, all of one group: McNemar, of single notes, would find p = 0.002."""
    true, before = ["a"] * 40, ["b"] * 10 + ["a"] * 30
    groups = ["one"] * 10 + [str(n) for n in range(30)]
    data["paired"] = asdict(paired(["a", "b"], true, before, true, groups, draws=2))
    data["items"], data["dataset"]["groups"] = 40, 31
    assert data["paired"]["mcnemar_p"] == pytest.approx(0.002, abs=1e-4)
    text = explanations.by_chance(parse(data))
    assert "this in 100 % of such nights" in text and "by group, p = 1.000" in text
    assert "40 test notes are of 31 groups" in text and "design effect 7." in text
    assert "McNemar" not in text


def test_against_the_model_in_use_no_gain_is_no_probability(report: Report) -> None:
    better = replace(report.paired, wins=3, losses=2, p_better=0.5)
    assert explanations.better_than_champion(better) == "better with a probability of at least 50 %"
    worse = replace(better, losses=3, p_better=0.0)
    assert explanations.better_than_champion(worse) == "no better"


def test_no_change_has_no_p(data: Data) -> None:
    data["paired"] |= {"wins": 0, "losses": 0}
    assert "McNemar" not in explanations.by_chance(parse(data))


@pytest.mark.parametrize(
    ("items", "groups", "rough"),
    [(80, 2, True), (80, 19, True), (80, 20, False), (8, 8, False), (8, 7, True)],
)
def test_intervals_from_a_few_groups_are_called_rough(
    data: Data, items: int, groups: int, rough: bool
) -> None:
    data["items"], data["dataset"]["groups"] = items, groups
    said = [how_to_read("accuracy", parse(data)), *remarks(parse(data))]
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
    data: Data, threshold: float, validation: int, in_use: bool, said: str
) -> None:
    found = data["abstention"]
    assert found is not None
    found |= {"threshold": threshold, "validation": validation, "in_use": in_use}
    assert said in explanations.abstention(parse(data))


@pytest.mark.parametrize(("heat", "said"), [(1.6, "less sure"), (0.7, "more sure")])
def test_a_temperature_says_what_it_does(data: Data, heat: float, said: str) -> None:
    data["calibration"]["after"]["temperature"] = heat
    assert said in explanations.temperature(parse(data))


def test_one_model_needs_no_word_on_choosing_among_models(data: Data) -> None:
    data["looks"] |= {"looks": 1, "models": 1}
    text = explanations.looks(parse(data).looks)
    assert text == "These test notes have been looked at once, for 1 trained model."


def test_a_check_that_cannot_tell_is_neither_passed_nor_failed(data: Data) -> None:
    check = data["checks"][0]
    check["passed"], check["settled"] = False, False
    assert explanations.checks_by_reference(parse(data))[0]["rows"][0]["state"] == "unsettled"
