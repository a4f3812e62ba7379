"""Sentences for someone who has never heard of the figures' names, and true at the edges."""

import pytest

from nightschool.reports import sentences
from nightschool.reports.contract import Report


@pytest.mark.parametrize(
    ("p", "said"),
    [(0.0004, "this less than once in 1,000 nights"), (0.21, "this in 21 % of such nights")],
)
def test_mcnemar_is_said_in_words_first(report: Report, p: float, said: str) -> None:
    report["paired"]["mcnemar_p"] = p
    text = sentences.by_chance(report["paired"])
    assert text.index(said) < text.index("McNemar")


def test_no_change_has_no_p(report: Report) -> None:
    report["paired"] |= {"wins": 0, "losses": 0}
    assert "McNemar" not in sentences.by_chance(report["paired"])


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
    assert said in sentences.abstention(report)


@pytest.mark.parametrize(("heat", "said"), [(1.6, "less sure"), (0.7, "more sure")])
def test_a_temperature_says_what_it_does(report: Report, heat: float, said: str) -> None:
    report["calibration"]["after"]["temperature"] = heat
    assert said in sentences.temperature(report)


def test_one_model_needs_no_word_on_choosing_among_models(report: Report) -> None:
    report["looks"] |= {"looks": 1, "models": 1}
    text = sentences.looks(report["looks"])
    assert text == "These test notes have been looked at once, for 1 trained model."


def test_a_check_that_cannot_tell_is_neither_passed_nor_failed(report: Report) -> None:
    check = report["checks"][0]
    check["passed"], check["settled"] = False, False
    assert sentences.checks_by_reference(report)[0]["rows"][0]["state"] == "unsettled"
