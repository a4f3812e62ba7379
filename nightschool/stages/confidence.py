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
    scored = [item for item in dataset.of(Split.VALIDATION) if item.id in result.validation]
    true, validation_true = ([number[item.kind] for item in items] for items in (test, scored))
    rows = _rows(result.probabilities, test, len(number))
    validation = _rows(result.validation, scored, len(number))
    calibrated = calibration((validation, validation_true), (rows, true), codes)
    temperature = calibrated.temperature
    if temperature is not None:
        rows, validation = scaled(rows, temperature), scaled(validation, temperature)
    kind = none_kind(dataset.kinds, settings.notes.none)
    # A kind that the settings name may have no note.
    none = None if kind is None else number.get(kind)
    cost = settings.classify.unsorted_cost
    limit = threshold(validation, validation_true, none, cost)
    top, correct = rows.max(axis=1), rows.argmax(axis=1) == np.array(true)
    confident = correct[top >= limit]
    return Certainty(
        calibrated,
        risk_coverage(top, correct),
        None if kind is None or none is None else out_of_scope(kind, rows, true, none, codes),
        Abstention(
            threshold=limit,
            coverage=len(confident) / len(correct),
            risk=float(1 - confident.mean()) if len(confident) else None,
            unsorted_cost=cost,
            validation=len(scored),
            in_use=settings.classify.abstain,
            plain=sorting(rows, true, none, 0.0, cost, codes),
            thresholded=sorting(rows, true, none, limit, cost, codes),
        ),
    )


def _rows(
    probabilities: Mapping[str, Sequence[float]], items: Sequence[Item], kinds: int
) -> Floats:
    """Probabilities in the items' order, shape (items, kinds)."""
    return np.array([probabilities[item.id] for item in items], dtype=float).reshape(-1, kinds)
