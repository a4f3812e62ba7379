"""Calibration, risk and coverage, and the threshold for none, from the recorded probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nightschool.notes.dataset import Dataset, Item
from nightschool.notes.none_of_the_above import none_kind
from nightschool.notes.splits import Split
from nightschool.stats.abstention import out_of_scope, risk_coverage, sorting, threshold
from nightschool.stats.calibration import calibration, scaled
from nightschool.stats.intervals import Codes, Floats
from nightschool.stats.results import Abstention, Calibration, OutOfScope, RiskCoverage
from nightschool.stats.stage_results import ScoringResult

if TYPE_CHECKING:
    from nightschool.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Certainty:
    """How far one model's probabilities on the test notes can be trusted."""

    calibration: Calibration
    risk_coverage: RiskCoverage
    out_of_scope: OutOfScope | None
    abstention: Abstention


def certainty(
    result: ScoringResult, dataset: Dataset, codes: Codes, settings: Settings
) -> Certainty:
    """Evaluate a stage's recorded probabilities; `codes` are the groups of the test notes.

    Temperature and threshold come from the validation notes. Without them, the probabilities are taken
    as they are, and the threshold is 0: no note is left unsorted.
    """
    number = {kind: index for index, kind in enumerate(dataset.kinds)}
    test = dataset.of(Split.TEST)
    watched = [item for item in dataset.of(Split.VALIDATION) if item.id in result.validation]
    true, known = ([number[item.kind] for item in items] for items in (test, watched))
    rows = _rows(result.probabilities, test, len(number))
    validation = _rows(result.validation, watched, len(number))
    calibrated = calibration((validation, known), (rows, true), codes)
    temperature = calibrated.temperature
    if temperature is not None:
        rows, validation = scaled(rows, temperature), scaled(validation, temperature)
    kind = none_kind(dataset.kinds, settings.notes.none)
    # A kind that the settings name may have no note.
    none = None if kind is None else number.get(kind)
    cost = settings.classify.unsorted_cost
    least = threshold(validation, known, none, cost)
    sure, right = rows.max(axis=1), rows.argmax(axis=1) == np.array(true)
    stand = right[sure >= least]
    return Certainty(
        calibrated,
        risk_coverage(sure, right),
        None if kind is None or none is None else out_of_scope(kind, rows, true, none, codes),
        Abstention(
            threshold=least,
            coverage=len(stand) / len(right),
            risk=float(1 - stand.mean()) if len(stand) else None,
            unsorted_cost=cost,
            validation=len(watched),
            in_use=settings.classify.abstain,
            plain=sorting(rows, true, none, 0.0, cost, codes),
            thresholded=sorting(rows, true, none, least, cost, codes),
        ),
    )


def _rows(
    probabilities: Mapping[str, Sequence[float]], items: Sequence[Item], kinds: int
) -> Floats:
    """Probabilities in the items' order, shape (items, kinds)."""
    return np.array([probabilities[item.id] for item in items], dtype=float).reshape(-1, kinds)
