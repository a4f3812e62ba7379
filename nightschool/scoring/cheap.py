"""The cheap baselines that always stand beside the model: they cost nothing and often do well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union


def majority(kinds: Sequence[str], notes: int) -> list[str]:
    """The most frequent training kind (the first by name of equals), for every note."""
    counts = Counter(kinds)
    return [min(counts, key=lambda kind: (-counts[kind], kind))] * notes


def tfidf_lr(texts: Sequence[str], kinds: Sequence[str], notes: Sequence[str]) -> list[str]:
    """TF-IDF of words and of characters within them, with a balanced logistic regression.

    The character n-grams serve text without spaces between words, such as Japanese.
    """
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    model = make_pipeline(
        features, LogisticRegression(C=10, class_weight="balanced", max_iter=2000)
    )
    model.fit(list(texts), list(kinds))
    return [str(kind) for kind in model.predict(list(notes))]
