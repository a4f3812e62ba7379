"""The cheap baselines that always stand beside the model: they cost nothing and often do well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union

_JITTER = 1e-6


def majority(kinds: Sequence[str], notes: int) -> list[str]:
    """The most frequent training kind (the first by name of equals), for every note."""
    counts = Counter(kinds)
    return [min(counts, key=lambda kind: (-counts[kind], kind))] * notes


def text_features() -> FeatureUnion:
    """TF-IDF of words and of characters within them, not fitted yet.

    The character n-grams serve text without spaces between words, such as Japanese.
    """
    return make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )


def classifier() -> LogisticRegression:
    """The logistic regression on top, balanced between the kinds, not fitted yet."""
    return LogisticRegression(C=10, class_weight="balanced", max_iter=2000)


def tfidf_lr(texts: Sequence[str], kinds: Sequence[str], notes: Sequence[str]) -> list[str]:
    """What `classifier` on `text_features`, fitted on texts and their kinds, answers for some notes."""
    model = make_pipeline(text_features(), classifier()).fit(list(texts), list(kinds))
    return [str(kind) for kind in model.predict(list(notes))]


def gram_rows(texts: Sequence[str]) -> NDArray[np.float64]:
    """A row for each text, with the inner products of their `text_features`; shape (texts, texts).

    Logistic regression with an L2 penalty sees its rows by these alone (representer theorem, Kimeldorf
    & Wahba 1971), so it answers the same on these as on the 100,000 n-grams, many times faster. For
    fits on parts of one set of texts: the document frequencies are those of all of them.
    """
    rows = text_features().fit_transform(list(texts))
    gram = (rows @ rows.T).toarray()
    # Copies would leave it without a Cholesky factor.
    gram[np.diag_indices_from(gram)] += _JITTER
    return np.asarray(np.linalg.cholesky(gram), dtype=np.float64)
