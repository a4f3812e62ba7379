"""Contextual calibration: removes a model's bias, measured on content-free notes.

Zhao, Wallace, Feng, Klein, Singh 2021, "Calibrate before use", arXiv:2102.09690.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CONTENT_FREE = ("N/A", "[MASK]", "")
"""The notes without content that the paper averages over."""

# Lower limit of a bias: dividing by 0 would be undefined.
_LEAST = 1e-6


def calibrated(
    probabilities: Sequence[Sequence[float]], content_free: Sequence[Sequence[float]]
) -> NDArray[np.float64]:
    """Probabilities over the kinds, shape (notes, kinds), without the bias that content-free notes show.

    Each probability is divided by its mean on `content_free` (shape (some, kinds)), then all of a note
    are scaled to sum to 1: the paper's matrix W = diag(p)^-1. (It takes a softmax of the quotients
    instead; the order is the same, and so is the answer.)
    """
    bias = np.maximum(np.mean(np.asarray(content_free, dtype=float), axis=0), _LEAST)
    scaled: NDArray[np.float64] = np.asarray(probabilities, dtype=float) / bias
    scaled /= scaled.sum(axis=1, keepdims=True)
    return scaled
