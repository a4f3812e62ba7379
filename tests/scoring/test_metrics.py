from __future__ import annotations

import math

import pytest
from sklearn.metrics import f1_score

from nightschool.scoring.cheap import majority, tfidf_lr
from nightschool.scoring.metrics import scores

KINDS = ["a", "b", "c"]
TRUE = ["a", "a", "a", "b", "b", "a"]
ANSWERS = ["a", "b", "a", "b", "c", "a"]


def wilson(k: int, n: int) -> tuple[float, float]:
    """The interval's closed form, Wilson 1927, z = 1.96."""
    z, p = 1.959963984540054, k / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half


def test_an_arm_is_measured() -> None:
    found = scores("after", KINDS, TRUE, ANSWERS)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["accuracy_ci"] == pytest.approx(wilson(4, 6))
    assert found["per_kind"]["a"] == {
        "precision": 1.0, "recall": 0.75, "f1": pytest.approx(6 / 7), "n": 4,
    }  # fmt: skip
    assert found["confusion"]["b"] == {"a": 0, "b": 1, "c": 1}


def test_macro_f1_is_over_the_kinds_that_occur() -> None:
    found = scores("after", KINDS, TRUE, ANSWERS)
    assert found["per_kind"]["c"]["n"] == 0
    expected = f1_score(TRUE, ANSWERS, labels=["a", "b"], average="macro")
    assert found["macro_f1"] == pytest.approx(expected)


def test_majority_is_the_most_frequent_training_kind() -> None:
    assert majority(["b", "a", "b"], 2) == ["b", "b"]
    assert majority(["b", "a"], 1) == ["a"]


def test_the_cheap_model_learns_words_also_without_spaces_between_them() -> None:
    texts = ["we chose restic", "バックアップに決めた", "buy milk", "牛乳を買う"] * 3
    kinds = ["decision", "decision", "none", "none"] * 3
    assert tfidf_lr(texts, kinds, ["we chose sqlite", "パンを買う"]) == ["decision", "none"]
