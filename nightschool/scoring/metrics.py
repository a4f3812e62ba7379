"""How good answers are: accuracy and macro-F1 with their intervals, scores of each kind, confusion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from nightschool.reports.contract import Arm, ArmName, KindScores
from nightschool.scoring.intervals import (
    Codes,
    Floats,
    codes_of,
    percentiles,
    resampled,
    share,
)


def scores(
    name: ArmName,
    kinds: Sequence[str],
    true: Sequence[str],
    answers: Sequence[str],
    groups: Sequence[str],
) -> Arm:
    """Measure one arm's answers; an answer that is none of `kinds` is wrong.

    Macro-F1 is the mean over the kinds that occur among the true ones. For how the intervals are
    made see `intervals.share` (accuracy, recall) and `macro_f1_interval`. Raises ValueError where
    there are no notes.
    """
    if not true:
        raise ValueError("there are no notes to measure on")
    codes = codes_of(groups)
    kind, answer = np.array(true, dtype=object), np.array(answers, dtype=object)
    hits = np.asarray(kind == answer, dtype=bool)
    precision, recall, f1, n = precision_recall_fscore_support(
        true, answers, labels=list(kinds), zero_division=0.0
    )
    others = sorted(set(answers) - set(kinds))
    matrix = confusion_matrix(true, answers, labels=[*kinds, *others])
    counted = f1_counts(kinds, true, answers, codes)
    per_kind = {}
    for i, name_ in enumerate(kinds):
        its = np.asarray(kind == name_, dtype=bool)
        per_kind[name_] = KindScores(
            precision=float(precision[i]),
            recall=float(recall[i]),
            recall_ci=list(share(hits[its], codes[its])),
            f1=float(f1[i]),
            n=int(n[i]),
        )
    return Arm(
        name=name,
        accuracy=float(hits.mean()),
        accuracy_ci=list(share(hits, codes)),
        macro_f1=float(macro_f1(counted.sum(axis=0))),
        macro_f1_ci=list(macro_f1_interval(counted, hits, codes)),
        per_kind=per_kind,
        confusion={
            kind: {
                other: int(matrix[i][j])
                for j, other in enumerate([*kinds, *others])
                if other in kinds or matrix[i][j]
            }
            for i, kind in enumerate(kinds)
        },
        after_better=None,
    )


def f1_counts(
    kinds: Sequence[str], true: Sequence[str], answers: Sequence[str], codes: Codes
) -> Floats:
    """What macro-F1 is made of, by group: shape (groups, 2 * kinds that occur).

    First the notes of each kind that are answered right, then those that are of it plus those that
    are answered with it: F1 is twice the first through the second.
    """
    present = [kind for kind in kinds if kind in set(true)]
    kind = np.array(true, dtype=object)[:, None] == np.array(present, dtype=object)
    answer = np.array(answers, dtype=object)[:, None] == np.array(present, dtype=object)
    both = np.concatenate([kind & answer, kind.astype(int) + answer.astype(int)], axis=1)
    sums = np.zeros((int(codes.max()) + 1, both.shape[1]))
    np.add.at(sums, codes, both)
    return sums


def macro_f1(counted: Floats) -> Floats:
    """Macro-F1 of sums as `f1_counts` gives them, shape (..., 2 * kinds); result shape (...)."""
    hits, both = np.split(counted, 2, axis=-1)
    scores: Floats = (2 * hits / np.where(both > 0, both, 1)).mean(axis=-1)
    return scores


def macro_f1_interval(
    counted: Floats, hits: np.ndarray[tuple[int], np.dtype[np.bool_]], codes: Codes
) -> tuple[float, float]:
    """The percentiles of the Bayesian bootstrap over groups, see `intervals.resampled`.

    Where all answers are right, or all wrong, no draw differs: there macro-F1 is the accuracy, and
    so is its interval.
    """
    if hits.all() or not hits.any():
        return share(hits, codes)
    return percentiles(resampled(counted, macro_f1))
