"""The verdict states the decision with proper signs, and claims nothing more."""

from typing import Any

import pytest

from nightschool.config.errors import ReportError
from nightschool.reports.report_file import parse
from nightschool.reports.text.verdict import verdict
from nightschool.stats.terms import Decision

Data = dict[str, Any]


@pytest.mark.parametrize(
    ("decision", "after", "delta", "bounds", "items", "expected"),
    [
        ("promote", 0.78, 0.34, [0.2, 0.48], 50,
         "After training, the model sorts 78 % of 50 test notes correctly, "
         "34 points more than before (95 % interval +20 to +48)."),
        ("promote", 0.62, 0.01, [0.002, 0.018], 1200,
         "After training, the model sorts 62 % of 1,200 test notes correctly, "
         "1 point more than before (95 % interval 0 to +2)."),
        ("inconclusive", 0.5, 0.06, [-0.04, 0.16], 50,
         "After training, the model may be better: +6 points (95 % interval −4 to +16). "
         "50 test notes cannot settle it."),
        ("inconclusive", 0.5, -0.01, [-0.125, 0.105], 1,
         "After training, the model may be worse: −1 point (95 % interval −13 to +11). "
         "1 test note cannot settle it."),
        ("inconclusive", 0.5, 0.0, [-0.1, 0.1], 50,
         "After training, the model may be better or worse: 0 points "
         "(95 % interval −10 to +10). 50 test notes cannot settle it."),
        ("keep", 0.44, -0.02, [-0.1, 0.06], 50,
         "After training, the model is no better: 44 % of 50 test notes correct, "
         "2 points fewer than before (95 % interval −10 to +6)."),
        ("keep", 0.46, 0.0, [0.0, 0.0], 50,
         "After training, the model is no better: 46 % of 50 test notes correct, "
         "as many as before (95 % interval 0 to 0)."),
        ("keep", 0.48, 0.02, [0.004, 0.06], 50,
         "After training, the model counts as no better: 48 % of 50 test notes correct, "
         "2 points more than before (95 % interval 0 to +6)."),
    ],
)  # fmt: skip
def test_verdict_states_the_decision(
    data: Data,
    decision: Decision,
    after: float,
    delta: float,
    bounds: list[float],
    items: int,
    expected: str,
) -> None:
    data["decision"], data["items"] = decision, items
    data["paired"]["delta_accuracy"], data["paired"]["delta_ci"] = delta, bounds
    arm_in(data, "after")["accuracy"] = after
    assert verdict(parse(data)) == expected


@pytest.mark.parametrize("decision", ["promote", "keep", "inconclusive"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (0.79, "may do as well: 79 %, and 56 notes cannot tell the two apart."),
        (0.8, "does at least as well: 80 %."),
        (0.85, "does at least as well: 85 %."),
    ],
)
def test_verdict_names_a_cheap_arm_that_is_not_beaten(
    data: Data, decision: Decision, words: float, said: str
) -> None:
    data["decision"], data["rivals"] = decision, ["tfidf-lr"]
    arm_in(data, "after")["accuracy"] = 0.8
    arm_in(data, "tfidf-lr")["accuracy"] = words
    line = verdict(parse(data))
    assert line.endswith(f" A simple word-count model (tfidf-lr) {said}")
    assert "\n" not in line


def test_verdict_says_if_a_cheap_arm_is_better_beyond_chance(data: Data) -> None:
    data["rivals"] = ["tfidf-lr"]
    data["checks"][-1] |= {"name": "cheap arms", "passed": False, "settled": True}
    arm_in(data, "tfidf-lr")["accuracy"] = 0.92
    assert verdict(parse(data)).endswith(" A simple word-count model (tfidf-lr) does better: 92 %.")


def test_verdict_names_no_cheap_arm_if_all_are_beaten(data: Data) -> None:
    assert "tfidf" not in verdict(parse(data))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (None, "56 test notes cannot settle it."),
        (
            87,
            "56 test notes cannot settle it; about 87 more would (roughly 780 more labelled notes).",
        ),
        (1234, "about 1,200 more would (roughly 11,000 more labelled notes)."),
    ],
)
def test_inconclusive_verdict_estimates_how_many_notes_would_settle_it(
    data: Data, more: int | None, said: str
) -> None:
    data["decision"], data["more_notes"] = "inconclusive", more
    assert verdict(parse(data)).endswith(said)


def test_augmentations_do_not_count_as_labelled_notes(data: Data) -> None:
    data["decision"], data["more_notes"] = "inconclusive", 87
    data["dataset"]["train"] += 300
    data["dataset"]["made"] += 300
    assert "(roughly 780 more labelled notes)" in verdict(parse(data))


def champion(data: Data, accuracy: float | None, delta: float, why_not: str = "") -> Data:
    change = {"delta_accuracy": delta, "delta_ci": [delta - 0.1, delta + 0.1]}
    paired = None if accuracy is None else data["paired"] | change
    return {"run": 2, "accuracy": accuracy, "why_not": why_not, "paired": paired}


def arm_in(data: Data, name: str) -> Data:
    return next(arm for arm in data["arms"] if arm["name"] == name)


def test_verdict_compares_with_the_model_in_use(data: Data) -> None:
    data["champion"] = champion(data, 0.75, 0.05)
    assert verdict(parse(data)).endswith(
        " Compared with the model in use (run 2, 75 % correct), the change is +5 points "
        "(95 % interval −5 to +15)."
    )


def test_verdict_says_why_the_model_in_use_was_not_compared(data: Data) -> None:
    data["champion"] = champion(data, None, 0, "it has answered 40 of these 56 test notes")
    assert verdict(parse(data)).endswith(
        " It was not compared with the model in use (run 2): it has answered 40 of these 56 test notes."
    )


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (
            "inconclusive",
            "is better than before, but not clearly better than the one in use: +36 points",
        ),
        ("keep", "is no better than the one in use: 80 % of 56 test notes correct"),
    ],
)
def test_verdict_says_if_only_the_model_in_use_prevents_a_promotion(
    data: Data, decision: Decision, said: str
) -> None:
    data["decision"] = decision
    better = data["checks"][0]
    data["checks"].append({**better, "reference": "champion", "passed": False})
    assert said in verdict(parse(data))


def test_verdict_says_if_a_gain_may_cost_some_kinds(data: Data) -> None:
    data["decision"] = "inconclusive"
    data["checks"][1] |= {"passed": False, "settled": False}
    assert "sorts more notes correctly, but may be worse at some kinds: +36 points" in verdict(
        parse(data)
    )


@pytest.mark.parametrize("decision", ["promote", "keep", "inconclusive"])
@pytest.mark.parametrize("settled", [True, False])
def test_promotion_says_if_a_loss_of_none_would_go_unnoticed(
    data: Data, decision: Decision, settled: bool
) -> None:
    data["decision"] = decision
    for reference in ("before", "champion"):
        data["checks"].append(
            {
                "reference": reference,
                "name": "none",
                "passed": True,
                "settled": settled,
                "detail": "",
            }
        )
    unseen = "Too few test notes are of no kind to tell whether the model still recognizes those."
    assert verdict(parse(data)).count(unseen) == (decision == "promote" and not settled)


def test_verdict_needs_no_other_arms(data: Data) -> None:
    data["arms"] = [arm for arm in data["arms"] if arm["name"] in ("before", "after")]
    assert verdict(parse(data)).startswith("After training, the model sorts 80 %")


def test_verdict_without_the_arm_after_is_an_error(data: Data) -> None:
    data["arms"] = [arm for arm in data["arms"] if arm["name"] != "after"]
    with pytest.raises(ReportError, match="the report of run 3 has no arm 'after'"):
        verdict(parse(data))
