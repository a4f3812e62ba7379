"""The first line says what the decision says, with proper signs and nothing more."""

import pytest

from nightschool.reports.contract import Decision, Report, arm_of
from nightschool.reports.verdict import verdict


@pytest.mark.parametrize(
    ("decision", "after", "delta", "bounds", "items", "expected"),
    [
        ("promote", 0.78, 0.34, [0.2, 0.48], 50,
         "After the night the model sorts 78 % of 50 test notes right, "
         "34 points more than before (95 % interval +20 to +48)."),
        ("promote", 0.62, 0.01, [0.002, 0.018], 1200,
         "After the night the model sorts 62 % of 1,200 test notes right, "
         "1 point more than before (95 % interval 0 to +2)."),
        ("inconclusive", 0.5, 0.06, [-0.04, 0.16], 50,
         "After the night the model may be better: +6 points (95 % interval −4 to +16); "
         "50 test notes cannot settle it."),
        ("inconclusive", 0.5, -0.01, [-0.125, 0.105], 1,
         "After the night the model may be worse: −1 point (95 % interval −13 to +11); "
         "1 test note cannot settle it."),
        ("inconclusive", 0.5, 0.0, [-0.1, 0.1], 50,
         "After the night the model may be better or worse: 0 points "
         "(95 % interval −10 to +10); 50 test notes cannot settle it."),
        ("keep", 0.44, -0.02, [-0.1, 0.06], 50,
         "After the night the model is no better: 44 % of 50 test notes right, "
         "2 points fewer than before (95 % interval −10 to +6)."),
        ("keep", 0.46, 0.0, [0.0, 0.0], 50,
         "After the night the model is no better: 46 % of 50 test notes right, "
         "as many as before (95 % interval 0 to 0)."),
        ("keep", 0.48, 0.02, [0.004, 0.06], 50,
         "After the night the model counts as no better: 48 % of 50 test notes right, "
         "2 points more than before (95 % interval 0 to +6)."),
    ],
)  # fmt: skip
def test_the_verdict_says_what_the_decision_says(
    report: Report,
    decision: Decision,
    after: float,
    delta: float,
    bounds: list[float],
    items: int,
    expected: str,
) -> None:
    report["decision"], report["items"] = decision, items
    report["paired"]["delta_accuracy"], report["paired"]["delta_ci"] = delta, bounds
    arm_of(report, "after")["accuracy"] = after
    arm_of(report, "tfidf-lr")["accuracy"] = 0.1
    assert verdict(report) == expected


@pytest.mark.parametrize("decision", ["promote", "keep", "inconclusive"])
@pytest.mark.parametrize(("words", "said"), [(0.79, False), (0.8, True), (0.85, True)])
def test_a_word_count_model_that_does_as_well_is_named_in_the_same_line(
    report: Report, decision: Decision, words: float, said: bool
) -> None:
    report["decision"] = decision
    arm_of(report, "after")["accuracy"] = 0.8
    arm_of(report, "tfidf-lr")["accuracy"] = words
    sentence = f" A simple word-count model (tfidf-lr) does at least as well: {words:.0%}.".replace(
        "%", " %"
    )
    line = verdict(report)
    assert line.endswith(sentence) == said
    assert ("tfidf-lr" in line) == said
    assert "\n" not in line


def test_a_missing_baseline_is_not_needed_for_the_verdict(report: Report) -> None:
    report["arms"] = [arm for arm in report["arms"] if arm["name"] in ("before", "after")]
    assert verdict(report).startswith("After the night the model sorts 80 %")


def test_a_report_without_an_after_says_so(report: Report) -> None:
    report["arms"] = [arm for arm in report["arms"] if arm["name"] != "after"]
    with pytest.raises(ValueError, match="the report of run 3 has no arm 'after'"):
        verdict(report)
