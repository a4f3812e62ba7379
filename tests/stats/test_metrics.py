from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score
from statsmodels.stats.proportion import proportion_confint

from nightschool.scoring.cheap_baselines import majority, tfidf_lr
from nightschool.stats.metrics import scores
from nightschool.stats.results import Arm
from nightschool.stats.terms import ArmName

KINDS = ["a", "b", "c"]
TRUE = ["a", "a", "a", "b", "b", "a"]
ANSWERS = ["a", "b", "a", "b", "c", "a"]


def single(true: list[str], answers: list[str]) -> Arm:
    """Measured with every note a group of its own."""
    return scores(ArmName.AFTER, KINDS, true, answers, [str(i) for i in range(len(true))])


def test_an_arm_is_measured() -> None:
    found = single(TRUE, ANSWERS)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.accuracy_ci == pytest.approx(proportion_confint(4, 6, method="wilson"))
    a = found.per_kind["a"]
    assert (a.precision, a.recall, a.n) == (1.0, 0.75, 4)
    assert a.f1 == pytest.approx(6 / 7)
    assert a.recall_ci == pytest.approx(proportion_confint(3, 4, method="wilson"))
    assert found.confusion["b"] == {"a": 0, "b": 1, "c": 1}


def test_macro_f1_is_over_the_kinds_that_occur() -> None:
    found = single(TRUE, ANSWERS)
    assert found.per_kind["c"].n == 0
    expected = f1_score(TRUE, ANSWERS, labels=["a", "b"], average="macro")
    assert found.macro_f1 == pytest.approx(expected)
    assert found.macro_f1_ci
    low, high = found.macro_f1_ci
    assert 0 <= low < expected < high <= 1


def test_groups_widen_every_interval() -> None:
    random = np.random.default_rng(0)
    true = random.choice(KINDS, 20).repeat(3).tolist()
    answers = [
        t if right else "c"
        for t, right in zip(true, random.random(20).repeat(3) < 0.6, strict=True)
    ]
    plain = single(true, answers)
    grouped = scores(ArmName.AFTER, KINDS, true, answers, [str(i // 3) for i in range(60)])
    for wide, narrow in (
        (grouped.accuracy_ci, plain.accuracy_ci),
        (grouped.macro_f1_ci, plain.macro_f1_ci),
    ):
        assert wide and narrow
        assert wide[0] < narrow[0] and narrow[1] < wide[1]
    wide, narrow = (arm.per_kind["a"].recall_ci for arm in (grouped, plain))
    assert wide and narrow and wide[0] < narrow[0]


@pytest.mark.parametrize("right", [True, False])
def test_all_right_or_all_wrong_is_no_certainty(right: bool) -> None:
    true = ["a", "b", "a", "b"]
    found = single(true, true if right else ["b", "a", "b", "a"])
    assert found.accuracy == found.macro_f1 == float(right)
    assert found.macro_f1_ci == found.accuracy_ci
    low, high = found.accuracy_ci
    assert high - low > 0.4


def test_one_kind_and_one_note_are_measured_and_no_note_is_refused() -> None:
    assert scores(ArmName.AFTER, KINDS, ["a"], ["a"], ["x"]).macro_f1 == 1.0
    with pytest.raises(ValueError, match="no notes"):
        scores(ArmName.AFTER, KINDS, [], [], [])


def test_an_answer_that_is_no_kind_is_wrong_and_counted() -> None:
    """A server may answer nonsense."""
    found = single(["a", "b"], ["a", "?"])
    assert found.accuracy == 0.5
    assert found.confusion["b"] == {"a": 0, "b": 0, "c": 0, "?": 1}
    assert "?" not in found.confusion["a"]


def test_majority_is_the_most_frequent_training_kind() -> None:
    assert majority(["b", "a", "b"], 2) == ["b", "b"]
    assert majority(["b", "a"], 1) == ["a"]


def test_the_cheap_model_learns_words_also_without_spaces_between_them() -> None:
    texts = ["we chose restic", "バックアップに決めた", "buy milk", "牛乳を買う"] * 3
    kinds = ["decision", "decision", "none", "none"] * 3
    assert tfidf_lr(texts, kinds, ["we chose sqlite", "パンを買う"]) == ["decision", "none"]
