"""Calibration: how well confidence matches accuracy, and the temperature that improves it.

The confidence of an answer is its probability: the largest of the note's row over the kinds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from nightschool.stats.intervals import Codes, Floats, share_interval
from nightschool.stats.results import Bin, Calibration, Reliability

BINS = 10
_COOLEST, _HOTTEST = 0.05, 20.0
# Lower limit of a probability, so that its logarithm is finite: half of the sixth decimal.
_LEAST = 5e-7
_SIMULATED = 1000


def temperature(rows: Floats, true: Sequence[int]) -> float | None:
    """The temperature, fitted on validation notes, to divide logits by; None without notes.

    Guo, Pleiss, Sun, Weinberger 2017, "On calibration of modern neural networks": a single number, so
    no answer changes. `rows` are probabilities, shape (notes, kinds); `true` has the index of each
    note's kind. If all of a few notes are right, the maximum likelihood would be at 0: a standard
    normal prior on the temperature's logarithm, which a few dozen notes outweigh, prevents that. The
    result is between 0.05 and 20.
    """
    if not len(rows):
        return None
    logits = np.log(np.maximum(rows, _LEAST))
    index = np.arange(len(rows))

    def loss(log_t: float) -> float:
        log_likelihood = log_softmax(logits / np.exp(log_t), axis=1)[index, list(true)].sum()
        return float(log_t**2 / 2 - log_likelihood)

    bounds = (np.log(_COOLEST), np.log(_HOTTEST))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def scaled(rows: Floats, temperature: float) -> Floats:
    """Probabilities with their logits divided by a temperature, shape (notes, kinds)."""
    result: Floats = np.exp(log_softmax(np.log(np.maximum(rows, _LEAST)) / temperature, axis=1))
    return result


def reliability(rows: Floats, true: Sequence[int], codes: Codes) -> Reliability:
    """The accuracy of answers by confidence, in bins of equal width, and the calibration error.

    `ece` is the expected calibration error (Naeini, Cooper, Hauskrecht 2015): the mean over notes of
    the distance between confidence and accuracy in their bin. On finitely many notes it is never 0, so
    `ece_by_chance` is its expected value if each answer were right with exactly its confidence. The
    95 % interval of a bin is by group. Empty bins are left out.
    """
    confidence, right = rows.max(axis=1), rows.argmax(axis=1) == np.asarray(true)
    bin_ = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = tuple(
        Bin(
            confidence=float(confidence[its].mean()),
            accuracy=float(right[its].mean()),
            accuracy_ci=share_interval(right[its], codes[its]),
            n=int(its.sum()),
        )
        for its in (bin_ == number for number in range(BINS))
        if its.any()
    )
    drawn = np.random.default_rng(0).random((_SIMULATED, len(rows))) < confidence
    likely = np.log(np.maximum(rows[np.arange(len(rows)), list(true)], _LEAST))
    return Reliability(
        bins=bins,
        ece=float(_ece(confidence, right[None], bin_)[0]),
        ece_by_chance=float(_ece(confidence, drawn, bin_).mean()),
        log_loss=float(-likely.mean()),
    )


def calibration(
    validation: tuple[Floats, Sequence[int]], test: tuple[Floats, Sequence[int]], codes: Codes
) -> Calibration:
    """Reliability on the test notes, without and with the temperature fitted on the validation notes."""
    fitted = temperature(*validation)
    rows, true = test
    return Calibration(
        temperature=fitted,
        validation=len(validation[0]),
        plain=reliability(rows, true, codes),
        scaled=None if fitted is None else reliability(scaled(rows, fitted), true, codes),
    )


def _ece(confidence: Floats, right: Floats, bin_: Codes) -> Floats:
    """The calibration error of each row of `right`, shape (rows, notes); result shape (rows,)."""
    inside = np.eye(BINS)[bin_]  # (notes, bins)
    errors: Floats = np.abs((right - confidence) @ inside).sum(axis=1) / len(confidence)
    return errors
