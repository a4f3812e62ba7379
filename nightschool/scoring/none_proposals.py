"""Candidates for "none of the above": the unlabelled notes that are farthest from every kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize

from nightschool.scoring.cheap_baselines import classifier, gram_rows

Row = NDArray[np.float64]
_COMPONENTS, _NEIGHBOURS = 100, 5

NoneCandidate = tuple[int, str, float]
"""The note's index in the pool, its likeliest kind, and the word-count model's probability of that kind."""


def far_from_every_kind(
    texts: Sequence[str], kinds: Sequence[str], pool: Sequence[str], none: str | None = None
) -> list[NoneCandidate]:
    """All notes of the pool, the most likely of no kind first.

    Ordered by `order` of `doubt_and_distance`; `benchmarks/none_proposals.py` compares this with either
    measure alone. Empty if no kind other than `none` has notes.
    """
    if not pool or not set(kinds) - {none}:
        return []
    doubt, distance, nearest = doubt_and_distance(texts, kinds, pool, none)
    return [(index, *nearest[index]) for index in order(doubt, distance)]


def order(doubt: Row, distance: Row) -> list[int]:
    """The indices ordered by the sum of both ranks, the largest first."""
    score = rankdata(doubt) + rankdata(distance)
    return [int(index) for index in np.argsort(-score, kind="stable")]


def doubt_and_distance(
    texts: Sequence[str], kinds: Sequence[str], pool: Sequence[str], none: str | None
) -> tuple[Row, Row, list[tuple[str, float]]]:
    """Two measures of how far each note of the pool is from every kind but `none`, and its likeliest kind.

    Doubt: the negative of the word-count model's highest probability or, if there are notes of kind `none`,
    its probability of `none`. Distance: one minus the mean cosine to the five nearest notes of other kinds
    in 100 components of TF-IDF (latent semantic analysis, Deerwester et al. 1990).
    """
    rows = gram_rows([*texts, *pool])
    labelled, asked = rows[: len(texts)], rows[len(texts) :]
    parts = min(_COMPONENTS, len(rows) - 1)
    space = normalize(TruncatedSVD(parts, random_state=0).fit_transform(rows))
    known = space[[index for index, kind in enumerate(kinds) if kind != none]]
    cosines = np.sort(space[len(texts) :] @ known.T, axis=1)
    distance = 1 - cosines[:, -_NEIGHBOURS:].mean(axis=1)
    if len(set(kinds)) < 2:
        return distance, distance, [(kinds[0], 1.0)] * len(pool)
    model = classifier().fit(labelled, list(kinds))
    names = [str(name) for name in model.classes_]
    chances = model.predict_proba(asked)
    doubt = chances[:, names.index(none)] if none in names else -chances.max(axis=1)
    nearest = [(names[int(row.argmax())], float(row.max())) for row in chances]
    return doubt, distance, nearest
