"""Notes that look mislabelled: the cheap model, which has not seen them, is sure of another kind.

Out-of-fold disagreement, as in confident learning (Northcutt et al. 2021, arXiv:1911.00068).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict

from nightschool.scoring.cheap import classifier, gram_rows

_FOLDS = 5

Suspect = tuple[int, str, str, float]
"""The note's index, its given kind, the kind that suits it better, and that kind's probability."""


def suspects(
    texts: Sequence[str], kinds: Sequence[str], groups: Sequence[str] | None = None
) -> list[Suspect]:
    """The notes for which the cheap model prefers another kind, the surest disagreement first.

    Each is judged by a model that was trained without it and without its group. Empty where fewer than
    two kinds have two notes.
    """
    counts = Counter(kinds)
    kept = [index for index, kind in enumerate(kinds) if counts[kind] > 1]
    if len({kinds[index] for index in kept}) < 2:
        return []
    labels = [kinds[index] for index in kept]
    rows = gram_rows([texts[index] for index in kept])
    folds = min(_FOLDS, len(kept))
    if groups is None:
        splits = StratifiedKFold(folds, shuffle=True, random_state=0)
    else:
        splits = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
        groups = [groups[index] for index in kept]
    chances = cross_val_predict(
        classifier(), rows, labels, groups=groups, cv=splits, method="predict_proba"
    )
    names = sorted(set(labels))
    found = []
    for index, given, row in zip(kept, labels, chances, strict=True):
        best = int(row.argmax())
        if names[best] != given:
            margin = float(row[best] - row[names.index(given)])
            found.append((margin, (index, given, names[best], float(row[best]))))
    return [suspect for _, suspect in sorted(found, key=lambda one: (-one[0], one[1][0]))]
