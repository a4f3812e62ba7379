"""The first line says what the decision says, with proper signs and nothing more."""

from typing import cast

import pytest

from nightschool.reports.text.verdict import verdict
from nightschool.stats.results import Champion, Check, Decision, Paired, Report, arm_of


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
    assert verdict(report) == expected


@pytest.mark.parametrize("decision", ["promote", "keep", "inconclusive"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (0.79, "may do as well, as far as 56 notes can tell: 79 %."),
        (0.8, "does at least as well: 80 %."),
        (0.85, "does at least as well: 85 %."),
    ],
)
def test_a_cheap_arm_that_is_not_beaten_is_named_in_the_same_line(
    report: Report, decision: Decision, words: float, said: str
) -> None:
    report["decision"], report["rivals"] = decision, ["tfidf-lr"]
    arm_of(report, "after")["accuracy"] = 0.8
    arm_of(report, "tfidf-lr")["accuracy"] = words
    line = verdict(report)
    assert line.endswith(f" A simple word-count model (tfidf-lr) {said}")
    assert "\n" not in line


def test_a_cheap_arm_that_is_better_beyond_chance_is_said_to_be(report: Report) -> None:
    report["rivals"] = ["tfidf-lr"]
    report["checks"][-1] |= {"name": "cheap arms", "passed": False, "settled": True}
    arm_of(report, "tfidf-lr")["accuracy"] = 0.92
    assert verdict(report).endswith(" A simple word-count model (tfidf-lr) does better: 92 %.")


def test_what_every_cheap_arm_is_beaten_by_names_none(report: Report) -> None:
    assert "tfidf" not in verdict(report)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (None, "56 test notes cannot settle it."),
        (87, "56 test notes cannot settle it, about 87 more would (some 780 more labelled notes)."),
        (1234, "about 1,200 more would (some 11,000 more labelled notes)."),
    ],
)
def test_what_is_not_settled_says_how_many_notes_would_settle_it(
    report: Report, more: int | None, said: str
) -> None:
    report["decision"], report["more_notes"] = "inconclusive", more
    assert verdict(report).endswith(said)


def test_notes_that_were_made_are_not_labelled_ones(report: Report) -> None:
    report["decision"], report["more_notes"] = "inconclusive", 87
    report["dataset"]["train"] += 300
    report["dataset"]["made"] += 300
    assert "(some 780 more labelled notes)" in verdict(report)


def champion(accuracy: float | None, delta: float, why_not: str = "") -> Champion:
    paired = cast(Paired, {"delta_accuracy": delta, "delta_ci": [delta - 0.1, delta + 0.1]})
    return {
        "run": 2, "accuracy": accuracy, "why_not": why_not,
        "paired": None if accuracy is None else paired,
    }  # fmt: skip


def test_the_model_in_use_is_named_with_the_difference(report: Report) -> None:
    report["champion"] = champion(0.75, 0.05)
    assert verdict(report).endswith(
        " Against the model in use (run 2, 75 % right) that is +5 points (95 % interval −5 to +15)."
    )


def test_a_model_in_use_that_could_not_be_compared_is_said_so(report: Report) -> None:
    report["champion"] = champion(None, 0, "it has answered 40 of these 56 test notes")
    assert verdict(report).endswith(
        " It was not compared with the model in use (run 2): it has answered 40 of these 56 test notes."
    )


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ("inconclusive", "is better than before, but not surely than the one in use: +36 points"),
        ("keep", "is no better than the one in use: 80 % of 56 test notes right"),
    ],
)
def test_where_only_the_model_in_use_stands_in_the_way_that_is_said(
    report: Report, decision: Decision, said: str
) -> None:
    report["decision"] = decision
    better = report["checks"][0]
    report["checks"].append({**better, "reference": "champion", "passed": False})
    assert said in verdict(report)


def test_a_gain_that_may_cost_some_kinds_is_said_so(report: Report) -> None:
    report["decision"] = "inconclusive"
    report["checks"][1] |= {"passed": False, "settled": False}
    assert "sorts more notes right, but perhaps some kinds worse: +36 points" in verdict(report)


@pytest.mark.parametrize("decision", ["promote", "keep", "inconclusive"])
@pytest.mark.parametrize("settled", [True, False])
def test_a_promotion_that_could_not_see_a_loss_of_none_says_so(
    report: Report, decision: Decision, settled: bool
) -> None:
    report["decision"] = decision
    for reference in ("before", "champion"):
        report["checks"].append(
            Check(reference=reference, name="none", passed=True, settled=settled, detail="")
        )
    unseen = "The test notes of no kind are too few to tell whether it still finds those."
    assert verdict(report).count(unseen) == (decision == "promote" and not settled)


def test_a_missing_baseline_is_not_needed_for_the_verdict(report: Report) -> None:
    report["arms"] = [arm for arm in report["arms"] if arm["name"] in ("before", "after")]
    assert verdict(report).startswith("After the night the model sorts 80 %")


def test_a_report_without_an_after_says_so(report: Report) -> None:
    report["arms"] = [arm for arm in report["arms"] if arm["name"] != "after"]
    with pytest.raises(ValueError, match="the report of run 3 has no arm 'after'"):
        verdict(report)
