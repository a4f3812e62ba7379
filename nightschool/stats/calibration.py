"""Calibration: how well confidence matches accuracy, and the temperature that improves it.

Of a note's probabilities (a row, over the kinds) the largest, that of its answer, is the confidence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from nightschool.stats.intervals import Codes, Floats, share
from nightschool.stats.results import Bin, Calibration, Reliability

BINS = 10
_COOLEST, _HOTTEST = 0.05, 20.0
# Probabilities are kept with six decimals: less than half of the last one is not known.
_LEAST = 5e-7
_SIMULATED = 1000


def temperature(rows: Floats, true: Sequence[int]) -> float | None:
    """The temperature to divide logits by: the likeliest on validation notes; None without any.

    Guo, Pleiss, Sun, Weinberger 2017, "On calibration of modern neural networks": one number, so no
    answer changes. `rows` has shape (notes, kinds), `true` the index of each note's kind. A few notes
    that are all right would ask for 0: a standard normal prior on the temperature's logarithm, which
    a few dozen notes outweigh, keeps it sober. Between 0.05 and 20.
    """
    if not len(rows):
        return None
    logits = np.log(np.maximum(rows, _LEAST))
    index = np.arange(len(rows))

    def unlikely(log_t: float) -> float:
        likely = log_softmax(logits / np.exp(log_t), axis=1)[index, list(true)].sum()
        return float(log_t**2 / 2 - likely)

    bounds = (np.log(_COOLEST), np.log(_HOTTEST))
    return float(np.exp(minimize_scalar(unlikely, bounds=bounds, method="bounded").x))


def scaled(rows: Floats, temperature: float) -> Floats:
    """Probabilities with their logits divided by a temperature, shape (notes, kinds)."""
    found: Floats = np.exp(log_softmax(np.log(np.maximum(rows, _LEAST)) / temperature, axis=1))
    return found


def reliability(rows: Floats, true: Sequence[int], codes: Codes) -> Reliability:
    """Confidence against the share that is right, in bins of equal width, and what that comes to.

    `ece` is the expected calibration error (Naeini, Cooper, Hauskrecht 2015): the mean over notes of
    how far apart the two lie in their bin. It is never 0 on finitely many notes, so `ece_by_chance`
    says what it would be were each note right with exactly its confidence. A bin's interval is by
    group, 95 %. Bins without notes are left out.
    """
    confidence, right = rows.max(axis=1), rows.argmax(axis=1) == np.asarray(true)
    bin_ = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = tuple(
        Bin(
            confidence=float(confidence[its].mean()),
            accuracy=float(right[its].mean()),
            accuracy_ci=share(right[its], codes[its]),
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
    """Reliability on the test notes, before and after the temperature that the validation notes give."""
    found = temperature(*validation)
    rows, true = test
    return Calibration(
        temperature=found,
        validation=len(validation[0]),
        plain=reliability(rows, true, codes),
        scaled=None if found is None else reliability(scaled(rows, found), true, codes),
    )


def _ece(confidence: Floats, right: Floats, bin_: Codes) -> Floats:
    """The calibration error of each row of `right`, shape (rows, notes); result shape (rows,)."""
    inside = np.eye(BINS)[bin_]  # (notes, bins)
    apart: Floats = np.abs((right - confidence) @ inside).sum(axis=1) / len(confidence)
    return apart
