"""The cheap baselines."""

import numpy as np

from nightschool.scoring.cheap import classifier, gram_rows, majority, text_features, tfidf_lr

TEXTS = [
    "bread and butter",
    "butter, flour",
    "oven bread",
    "chain and wheel",
    "wheel brake",
    "brake chain",
]
KINDS = ["food"] * 3 + ["bike"] * 3


def test_the_majority_is_the_most_frequent_kind_the_first_by_name_of_equals() -> None:
    assert majority(["b", "a", "b"], 2) == ["b", "b"]
    assert majority(["b", "a"], 1) == ["a"]


def test_words_and_parts_of_words_tell_kinds() -> None:
    assert tfidf_lr(TEXTS, KINDS, ["breads", "wheels and brakes"]) == ["food", "bike"]


def test_gram_rows_give_the_same_answers_as_the_features() -> None:
    rows, features = gram_rows(TEXTS), text_features().fit_transform(TEXTS)
    assert np.allclose(rows @ rows.T, (features @ features.T).toarray(), atol=1e-5)
    by_rows = classifier().fit(rows, KINDS).predict_proba(rows)
    by_features = classifier().fit(features, KINDS).predict_proba(features)
    assert np.allclose(by_rows, by_features, atol=1e-3)


def test_copies_have_gram_rows_too() -> None:
    rows = gram_rows(["the same"] * 5)
    assert np.allclose(rows @ rows.T, 2, atol=1e-4)
