"""The scores of an arm: accuracy and macro-F1 with intervals, scores by kind, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from nightschool.stats.intervals import codes_of, share_interval
from nightschool.stats.macro_f1 import f1_counts, macro_f1, macro_f1_interval
from nightschool.stats.results import Arm, KindScores
from nightschool.stats.terms import ArmName


def scores(
    name: ArmName,
    kinds: Sequence[str],
    true: Sequence[str],
    answers: Sequence[str],
    groups: Sequence[str],
    after_better: float | None = None,
) -> Arm:
    """Score one arm's answers; an answer that is not one of `kinds` is wrong.

    Macro-F1 is the mean over the kinds that have notes. For the intervals see `intervals.share_interval`
    (accuracy, recall) and `stats.macro_f1`. Raises ValueError without notes.
    """
    if not true:
        raise ValueError("there are no notes to score")
    codes = codes_of(groups)
    kind, answer = np.array(true, dtype=object), np.array(answers, dtype=object)
    hits = np.asarray(kind == answer, dtype=bool)
    precision, recall, f1, n = precision_recall_fscore_support(
        true, answers, labels=list(kinds), zero_division=0.0
    )
    others = sorted(set(answers) - set(kinds))
    matrix = confusion_matrix(true, answers, labels=[*kinds, *others])
    per_kind = {}
    for i, name_ in enumerate(kinds):
        its = np.asarray(kind == name_, dtype=bool)
        per_kind[name_] = KindScores(
            precision=float(precision[i]),
            recall=float(recall[i]),
            recall_ci=share_interval(hits[its], codes[its]),
            f1=float(f1[i]),
            n=int(n[i]),
        )
    return Arm(
        name=name,
        accuracy=float(hits.mean()),
        accuracy_ci=share_interval(hits, codes),
        macro_f1=float(macro_f1(f1_counts(kinds, true, answers, codes).sum(axis=0))),
        macro_f1_ci=macro_f1_interval(kinds, true, answers, codes),
        per_kind=per_kind,
        confusion={
            kind: {
                other: int(matrix[i][j])
                for j, other in enumerate([*kinds, *others])
                if other in kinds or matrix[i][j]
            }
            for i, kind in enumerate(kinds)
        },
        after_better=after_better,
    )
