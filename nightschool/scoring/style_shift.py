"""Whether labelled notes resemble the unlabelled ones: a classifier two-sample test."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_limits

from nightschool.notes.inventory import Auc, Feature, StyleShift
from nightschool.notes.style_features import FEATURES, style_features
from nightschool.scoring.cheap_baselines import classifier, gram_rows

# With fewer labelled or unlabelled notes, the interval is too wide to be useful.
LEAST = 20
MOST_NOTES = 1000
MOST_CHARACTERS = 2000
_MOST_FEATURES = 4
# The smallest reported difference of means, in standard deviations ("small" in Cohen 1988).
_SMALL = 0.2
_Z = 1.96


def compare_styles(
    labelled: Sequence[tuple[str, int]], unlabelled: Sequence[tuple[str, int]]
) -> StyleShift:
    """How well a classifier tells labelled from unlabelled notes, given as (text, group).

    A classifier two-sample test (Lopez-Paz & Oquab 2017): the classifier is fitted on half of the groups and
    scores the other half (with cross-validation the interval would be too narrow). Its AUC is the
    probability that it ranks a labelled note above an unlabelled one: 0.5 if they are alike. One
    classifier uses the style (`style_features.FEATURES`), another the words. From more than 1,000 labelled
    or unlabelled notes, a sample is drawn.
    """
    rng = random.Random(0)
    samples = [
        rng.sample(sample, min(MOST_NOTES, len(sample))) for sample in (labelled, unlabelled)
    ]
    counts = len(labelled), len(unlabelled)
    if min(len({group for _, group in sample}) for sample in samples) < LEAST:
        needs = (
            f"needs {LEAST} labelled and {LEAST} unlabelled notes of different texts and sources"
        )
        return StyleShift(*counts, None, None, (), f"not compared: {needs}")
    texts = [text for sample in samples for text, _ in sample]
    groups = np.array([group for sample in samples for _, group in sample])
    is_labelled = np.repeat([True, False], [len(sample) for sample in samples])
    styles = np.array([style_features(text) for text in texts])
    drawn = max(counts) > MOST_NOTES
    by_style = make_pipeline(FunctionTransformer(np.log1p), StandardScaler(), classifier())
    with threadpool_limits(1):
        style_auc = _auc_of(by_style, styles, is_labelled, groups)
        words_auc = _auc_of(
            classifier(), gram_rows([text[:MOST_CHARACTERS] for text in texts]), is_labelled, groups
        )
    return StyleShift(
        *counts,
        style=style_auc,
        words=words_auc,
        features=_differing(styles, is_labelled),
        remark=f"at most {MOST_NOTES:,} labelled and unlabelled notes each were sampled"
        if drawn
        else "",
    )


def _auc_of(
    model: LogisticRegression | Pipeline,
    data: NDArray[np.float64],
    positive: NDArray[np.bool_],
    groups: NDArray[np.int_],
) -> Auc:
    """The AUC of a classifier that is fitted on one half of the groups and scores the other."""
    halves = StratifiedGroupKFold(2, shuffle=True, random_state=0)
    fit, judge = next(iter(halves.split(data, positive, groups)))
    scores = clone(model).fit(data[fit], positive[fit]).decision_function(data[judge])
    return auc_interval(placements(scores[positive[judge]], scores[~positive[judge]]))


def placements(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 if a positive scores above a negative, 0.5 if equal, else 0; shape (positives, negatives)."""
    difference = positive[:, None] - negative[None, :]
    return (np.sign(difference) + 1) / 2


def auc_interval(wins: NDArray[np.float64]) -> Auc:
    """AUC with its 95 % interval (DeLong, DeLong & Clarke-Pearson 1988), on the logit scale.

    `wins` is the result of `placements`, with at least two rows and columns. If the scores do not overlap,
    the bound follows the rule of three.
    """
    above, below = wins.mean(axis=1), wins.mean(axis=0)
    auc = float(above.mean())
    if auc in (0.0, 1.0):
        bound = max(0.0, 1 - 3 / min(len(above), len(below)))
        return Auc(auc, bound, 1.0) if auc else Auc(auc, 0.0, 1 - bound)
    error = math.sqrt(above.var(ddof=1) / len(above) + below.var(ddof=1) / len(below))
    middle, spread = math.log(auc / (1 - auc)), _Z * error / (auc * (1 - auc))
    return Auc(auc, _logistic(middle - spread), _logistic(middle + spread))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _differing(styles: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[Feature, ...]:
    """The features whose means differ most, in standard deviations."""
    ours, theirs = styles[positive], styles[~positive]
    spread = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / 2)
    # Without any spread, the smallest difference of the means separates the notes.
    distance = np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) / np.maximum(spread, 1e-9)
    order = [n for n in np.argsort(-distance, kind="stable") if distance[n] >= _SMALL][
        :_MOST_FEATURES
    ]
    return tuple(
        Feature(FEATURES[n], float(ours[:, n].mean()), float(theirs[:, n].mean())) for n in order
    )
