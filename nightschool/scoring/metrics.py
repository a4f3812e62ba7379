"""How good answers are: accuracy with its interval, scores of each kind, and the confusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support


class KindScores(TypedDict):
    precision: float
    recall: float
    f1: float
    n: int


class Scores(TypedDict):
    """One arm of the comparison; the intervals are 95 %."""

    name: str
    accuracy: float
    accuracy_ci: list[float]
    macro_f1: float
    per_kind: dict[str, KindScores]
    confusion: dict[str, dict[str, int]]


def scores(name: str, kinds: Sequence[str], true: Sequence[str], answers: Sequence[str]) -> Scores:
    """Measure one arm's answers. The accuracy's interval is Wilson's (1927).

    Macro-F1 is the mean over the kinds that occur among the true ones.
    """
    right = sum(a == b for a, b in zip(true, answers, strict=True))
    interval = binomtest(right, len(true)).proportion_ci(0.95, method="wilson")
    precision, recall, f1, n = precision_recall_fscore_support(
        true, answers, labels=list(kinds), zero_division=0.0
    )
    measured = [float(f1[i]) for i in range(len(kinds)) if n[i]]
    matrix = confusion_matrix(true, answers, labels=list(kinds))
    return Scores(
        name=name,
        accuracy=right / len(true),
        accuracy_ci=[float(interval.low), float(interval.high)],
        macro_f1=sum(measured) / len(measured),
        per_kind={
            kind: KindScores(
                precision=float(precision[i]), recall=float(recall[i]), f1=float(f1[i]), n=int(n[i])
            )
            for i, kind in enumerate(kinds)
        },
        confusion={
            kind: {other: int(matrix[i][j]) for j, other in enumerate(kinds)}
            for i, kind in enumerate(kinds)
        },
    )
