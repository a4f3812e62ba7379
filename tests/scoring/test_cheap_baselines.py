"""The cheap baselines."""

import numpy as np
import pytest

from nightschool.scoring.cheap_baselines import (
    classifier,
    gram_rows,
    majority,
    text_features,
    tfidf_lr,
    vectors_lr,
)

TEXTS = [
    "bread and butter",
    "butter, flour",
    "oven bread",
    "chain and wheel",
    "wheel brake",
    "brake chain",
]
KINDS = ["food"] * 3 + ["bike"] * 3
RANDOM = np.random.default_rng(0)
ORDER = ["a", "b", "c", "unseen"]


def test_the_majority_is_the_most_frequent_kind_the_first_by_name_of_equals() -> None:
    assert majority(["b", "a", "b"], 2) == ["b", "b"]
    assert majority(["b", "a"], 1) == ["a"]


def test_words_and_parts_of_words_tell_kinds() -> None:
    assert tfidf_lr(TEXTS, KINDS, ["breads", "wheels and brakes"]) == ["food", "bike"]


def test_gram_rows_give_the_same_answers_as_the_features() -> None:
    rows, features = gram_rows(TEXTS), text_features(TEXTS).fit_transform(TEXTS)
    assert np.allclose(rows @ rows.T, (features @ features.T).toarray(), atol=1e-5)
    by_rows = classifier().fit(rows, KINDS).predict_proba(rows)
    by_features = classifier().fit(features, KINDS).predict_proba(features)
    assert np.allclose(by_rows, by_features, atol=1e-3)


def test_copies_have_gram_rows_too() -> None:
    rows = gram_rows(["the same"] * 5)
    assert np.allclose(rows @ rows.T, 2, atol=1e-4)


def test_notes_without_a_word_are_told_apart_by_their_signs() -> None:
    assert tfidf_lr(["a", "🍞", "b", "?!"], ["x", "y"] * 2, ["🍞", "a"]) == ["y", "x"]
    assert gram_rows(["a", "🍞", "?!"]).shape == (3, 3)


def cloud(kinds: list[str], spread: float = 0.3) -> np.ndarray:
    """A point a note: each kind around a corner of its own, on scales of its own."""
    corners = {"a": [0.0, 0.0], "b": [1000.0, 0.0], "c": [0.0, 0.001]}
    scale = np.array([1000.0, 0.001])
    centres = np.array([corners[kind] for kind in kinds])
    points: np.ndarray = centres + RANDOM.normal(0, spread, (len(kinds), 2)) * scale
    return points


def test_kinds_are_told_apart_whatever_the_scale_of_their_numbers() -> None:
    kinds = ["a", "b", "c"] * 20
    found = vectors_lr(cloud(kinds), kinds, list(map(str, range(60))), cloud(kinds), ORDER)
    assert np.mean([a == k for a, k in zip(found.answers, kinds, strict=True)]) > 0.8
    assert "by 5-fold cross-validation on the training notes" in found.note


def test_probabilities_are_over_all_kinds_in_the_given_order() -> None:
    kinds = ["a", "b", "c"] * 10
    found = vectors_lr(cloud(kinds), kinds, kinds, cloud(["b", "a"], 0.0), ORDER)
    for row, answer in zip(found.probabilities, found.answers, strict=True):
        assert sum(row) == pytest.approx(1)
        assert row[3] == 0
        assert ORDER[int(np.argmax(row))] == answer
    assert found.answers == ["b", "a"]


def test_copies_are_never_on_both_sides_of_a_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies with a kind at random: who sees the other copy gets it right, however weak the penalty."""
    random = np.random.default_rng(0)
    kinds = [str(kind) for kind in random.choice(["a", "b"], 36)]
    points = random.normal(size=(36, 30))
    twice, labels = np.concatenate([points, points]), kinds * 2
    alone = vectors_lr(twice, labels, list(map(str, range(72))), points, ORDER)
    grouped = vectors_lr(twice, labels, list(map(str, range(36))) * 2, points, ORDER)

    def strength(note: str) -> float:
        return float(note.split()[2].rstrip(","))

    assert strength(alone.note) > strength(grouped.note)


def test_too_few_notes_to_choose_by_take_the_usual_penalty() -> None:
    kinds = ["a"] * 6 + ["b"]
    found = vectors_lr(cloud(kinds), kinds, list("1234567"), cloud(["a"]), ORDER)
    assert found.note == "C = 0.1, fixed: there are too few notes to choose it"


def test_a_kind_with_a_single_note_does_not_stand_in_the_way() -> None:
    kinds = ["a", "b"] * 10 + ["c"]
    found = vectors_lr(
        cloud(kinds), kinds, list(map(str, range(21))), cloud(["a", "b"], 0.0), ORDER
    )
    assert found.answers == ["a", "b"]
    assert "cross-validation" in found.note
