"""The cheap comparison arms: they train in seconds and often do well."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

Floats = NDArray[np.floating]

# Inverse penalty strengths that `vectors_lr` tries, and the one it uses without trying.
_STRENGTHS, _USUAL = (0.001, 0.01, 0.1, 1.0), 0.1
_FOLDS = 5
_JITTER = 1e-6


def majority(kinds: Sequence[str], notes: int) -> list[str]:
    """The most frequent training kind for every note; of equally frequent ones the first by name."""
    counts = Counter(kinds)
    return [min(counts, key=lambda kind: (-counts[kind], kind))] * notes


def text_features(texts: Sequence[str]) -> FeatureUnion:
    """Unfitted TF-IDF of words and of the characters within them, for such texts.

    The character n-grams serve text without spaces between words, such as Japanese. They are used alone if
    no text has a word of two letters.
    """
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    has_words = any(map(re.compile(words.token_pattern).search, texts))
    return make_union(words, characters) if has_words else make_union(characters)


def classifier(strength: float = 10) -> LogisticRegression:
    """An unfitted logistic regression with balanced kinds.

    The strength for `text_features` (C = 10) is fixed, not tuned on the notes.
    """
    return LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)


def tfidf_lr(texts: Sequence[str], kinds: Sequence[str], notes: Sequence[str]) -> list[str]:
    """Answers for notes by `classifier` on `text_features`, fitted on texts and their kinds."""
    model = make_pipeline(text_features(texts), classifier()).fit(list(texts), list(kinds))
    return [str(kind) for kind in model.predict(list(notes))]


def gram_rows(texts: Sequence[str]) -> NDArray[np.float64]:
    """A row for each text, with the inner products of their `text_features`; shape (texts, texts).

    Logistic regression with an L2 penalty sees its rows by these alone (representer theorem, Kimeldorf
    & Wahba 1971), so it answers the same on these as on the 100,000 n-grams, many times faster. For
    fits on parts of one set of texts: the document frequencies are those of all of them.
    """
    rows = text_features(texts).fit_transform(list(texts))
    gram = (rows @ rows.T).toarray()
    # Without it, identical texts would make the matrix singular.
    gram[np.diag_indices_from(gram)] += _JITTER
    return np.asarray(np.linalg.cholesky(gram), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class FittedBaseline:
    """The answers of a logistic regression on vectors to new notes."""

    answers: list[str]
    probabilities: list[list[float]]
    """Over the kinds as they were given; each sums to 1."""
    note: str
    """The strength of its penalty, and how that was chosen."""


def vectors_lr(
    known: Floats,
    kinds: Sequence[str],
    groups: Sequence[str],
    notes: Floats,
    order: Sequence[str],
) -> FittedBaseline:
    """A balanced logistic regression on vectors, shape (notes, width), each number standardised.

    Fitted on `known` with their `kinds`. The penalty is the one with the highest accuracy in five-fold
    cross-validation with whole `groups` (near-duplicates); of equal ones the strongest. `order` is the
    order of the kinds in the probabilities.
    """
    probabilities = np.zeros((len(notes), len(order)))
    # For matrices this small, threads waiting for one another took 30 times as long on a busy machine.
    with threadpool_limits(1):
        strength, note = _strength(known, kinds, groups)
        model = _on_vectors(strength).fit(known, list(kinds))
        columns = [order.index(str(kind)) for kind in model.classes_]
        probabilities[:, columns] = model.predict_proba(notes)
    return FittedBaseline(
        [order[best] for best in probabilities.argmax(axis=1)], probabilities.tolist(), note
    )


def _strength(known: Floats, kinds: Sequence[str], groups: Sequence[str]) -> tuple[float, str]:
    """The best of `_STRENGTHS`, and how it was chosen."""
    # At least two kinds need enough groups to be in every fold.
    apart = {
        kind: len({g for k, g in zip(kinds, groups, strict=True) if k == kind}) for kind in kinds
    }
    folds = min(_FOLDS, sorted(apart.values())[-2])
    if folds < 2:
        return _USUAL, f"C = {_USUAL:g}, fixed: there are too few notes to choose it"
    parts = StratifiedGroupKFold(folds)
    right: dict[float, float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a kind with fewer notes than folds
        for strength in _STRENGTHS:
            try:
                answers = cross_val_predict(
                    _on_vectors(strength), known, list(kinds), groups=list(groups), cv=parts
                )
            except ValueError:  # a fold whose training part has a single kind
                return _USUAL, f"C = {_USUAL:g}, fixed: there are too few notes to choose it"
            right[strength] = float(np.mean(answers == np.array(kinds)))
    best = max(right, key=lambda strength: (right[strength], -strength))
    return best, f"C = {best:g}, by {folds}-fold cross-validation on the training notes"


def _on_vectors(strength: float) -> Pipeline:
    return make_pipeline(StandardScaler(), classifier(strength))
