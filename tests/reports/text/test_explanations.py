"""Sentences for readers who do not know the figures' names; correct at the extremes too."""

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
        (0.0004, "this uneven less than once in 1,000 runs"),
        (0.002, "this uneven in 2 of 1,000 runs"),
        (0.0096, "this uneven in 1 % of such runs"),
        (0.21, "this uneven in 21 % of such runs"),
    ],
)
def test_mcnemar_test_follows_its_explanation(data: Data, p: float, said: str) -> None:
    data["dataset"]["groups"] = data["items"]
    data["paired"] |= {"p_better": 1 - p / 2, "p_worse": 0.0}
    text = explanations.by_chance(parse(data))
    assert text.index(said) < text.index("McNemar")
    assert f"p = {p:.3f}" in text or p < 0.001
    assert "group" not in text
    data["paired"] |= {"p_better": 0.0, "p_worse": 1 - p / 2}
    assert explanations.by_chance(parse(data)) == text


@given(st.lists(st.integers(-1, 1), min_size=1, max_size=40))
def test_p_value_of_single_notes_is_mcnemars(report: Report, changed: list[int]) -> None:
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


def test_notes_of_one_group_that_are_fixed_together_count_once(data: Data) -> None:
    """Ten fixed notes of one group: McNemar's test of single notes would give p = 0.002."""
    true, before = ["a"] * 40, ["b"] * 10 + ["a"] * 30
    groups = ["one"] * 10 + [str(n) for n in range(30)]
    data["paired"] = asdict(paired(["a", "b"], true, before, true, groups, draws=2))
    data["items"], data["dataset"]["groups"] = 40, 31
    assert data["paired"]["mcnemar_p"] == pytest.approx(0.002, abs=1e-4)
    text = explanations.by_chance(parse(data))
    assert "this uneven in 100 % of such runs" in text and "by group, p = 1.000" in text
    assert "40 test notes come from 31 groups" in text and "design effect 7." in text
    assert "McNemar" not in text


def test_no_gain_over_the_model_in_use_has_no_probability(report: Report) -> None:
    better = replace(report.paired, wins=3, losses=2, p_better=0.5)
    assert explanations.better_than_champion(better) == "better with a probability of at least 50 %"
    worse = replace(better, losses=3, p_better=0.0)
    assert explanations.better_than_champion(worse) == "no better"


def test_no_change_has_no_p_value(data: Data) -> None:
    data["paired"] |= {"wins": 0, "losses": 0}
    assert "McNemar" not in explanations.by_chance(parse(data))


@pytest.mark.parametrize(
    ("items", "groups", "rough"),
    [(80, 2, True), (80, 19, True), (80, 20, False), (8, 8, False), (8, 7, True)],
)
def test_intervals_of_few_groups_are_called_rough(
    data: Data, items: int, groups: int, rough: bool
) -> None:
    data["items"], data["dataset"]["groups"] = items, groups
    said = [how_to_read("accuracy", parse(data)), *remarks(parse(data))]
    assert [("the intervals are rough" in line) for line in said][:2] == [rough, rough]


@pytest.mark.parametrize(
    ("threshold", "validation", "in_use", "said"),
    [
        (0.4, 55, True, "nightschool classify uses it."),
        (
            0.4,
            55,
            True,
            "86 % of the answers have a probability of 40 % or more; 10 % of these are wrong.",
        ),
        (0.4, 55, False, "abstain = true"),
        (0.0, 55, True, "does not pay"),
        (0.0, 0, True, "no validation notes"),
    ],
)
def test_threshold_is_explained(
    data: Data, threshold: float, validation: int, in_use: bool, said: str
) -> None:
    found = data["abstention"]
    assert found is not None
    found |= {"threshold": threshold, "validation": validation, "in_use": in_use}
    assert said in explanations.abstention(parse(data))


@pytest.mark.parametrize(("heat", "said"), [(1.6, "lowers"), (0.7, "raises")])
def test_temperature_is_explained(data: Data, heat: float, said: str) -> None:
    data["calibration"]["after"]["temperature"] = heat
    assert said in explanations.temperature(parse(data))


def test_exposures_of_one_model_carry_no_warning(data: Data) -> None:
    data["looks"] |= {"looks": 1, "models": 1}
    text = explanations.exposures(parse(data).looks)
    assert text == "These test notes have been evaluated once, for 1 trained model."


def test_check_that_cannot_tell_is_unsettled(data: Data) -> None:
    check = data["checks"][0]
    check["passed"], check["settled"] = False, False
    assert explanations.checks_by_reference(parse(data))[0].rows[0].state == "unsettled"
