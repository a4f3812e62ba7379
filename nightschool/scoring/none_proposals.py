"""Proposals for "none of the above": the notes of the pool that are farthest from every kind."""

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

Proposal = tuple[int, str, float]
"""The note's index in the pool, the kind that it is nearest to, and the cheap model's probability of it."""


def far_from_every_kind(
    texts: Sequence[str], kinds: Sequence[str], pool: Sequence[str], none: str | None = None
) -> list[Proposal]:
    """All notes of the pool, those that are most likely of no kind first.

    By `order` of `doubt_and_distance`: `benchmarks/none_proposals.py` compares that with each by
    itself. Empty where no kind but `none` has notes.
    """
    if not pool or not set(kinds) - {none}:
        return []
    doubt, distance, nearest = doubt_and_distance(texts, kinds, pool, none)
    return [(index, *nearest[index]) for index in order(doubt, distance)]


def order(doubt: Row, distance: Row) -> list[int]:
    """The indices by the sum of both ranks, the largest first."""
    score = rankdata(doubt) + rankdata(distance)
    return [int(index) for index in np.argsort(-score, kind="stable")]


def doubt_and_distance(
    texts: Sequence[str], kinds: Sequence[str], pool: Sequence[str], none: str | None
) -> tuple[Row, Row, list[tuple[str, float]]]:
    """How far each note of the pool is from every kind but `none`, in two ways; and its likeliest kind.

    Doubt: how little the cheap model believes in any kind or, where there are notes of the kind
    `none`, how much it believes in that. Distance: one less the mean cosine to the nearest five notes
    of other kinds in 100 components of TF-IDF (latent semantic analysis, Deerwester et al. 1990).
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
