"""What the stored probabilities say: calibration, risk and coverage, the threshold for none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nightschool.notes.dataset import Dataset, Item
from nightschool.notes.none_of_the_above import none_kind
from nightschool.notes.splits import Split
from nightschool.stages.context import write_json
from nightschool.stats.abstention import out_of_scope, risk_coverage, sorting, threshold
from nightschool.stats.calibration import calibration, scaled
from nightschool.stats.intervals import Codes, Floats
from nightschool.stats.results import Abstention, Calibration, OutOfScope, RiskCoverage

if TYPE_CHECKING:
    from nightschool.config.settings import Settings
    from nightschool.stages.context import StageContext


@dataclass(frozen=True, slots=True)
class Certainty:
    """What one model's probabilities say on the test notes."""

    calibration: Calibration
    risk_coverage: RiskCoverage
    out_of_scope: OutOfScope | None
    abstention: Abstention


def certainty(
    stage: Mapping[str, Any], dataset: Dataset, codes: Codes, settings: Settings
) -> Certainty:
    """Measure a stage's recorded probabilities; `codes` are the groups of the test notes.

    Temperature and threshold come from the validation notes, where the stage scored them; without
    them the probabilities are taken as they are, and no note is left unsorted.
    """
    number = {kind: index for index, kind in enumerate(dataset.kinds)}
    test = dataset.of(Split.TEST)
    watched = [
        item for item in dataset.of(Split.VALIDATION) if item.id in stage.get("validation", {})
    ]
    true, known = ([number[item.kind] for item in items] for items in (test, watched))
    rows = _rows(stage["probabilities"], test, len(number))
    validation = _rows(stage.get("validation", {}), watched, len(number))
    calibrated = calibration((validation, known), (rows, true), codes)
    heat = calibrated.temperature
    if heat is not None:
        rows, validation = scaled(rows, heat), scaled(validation, heat)
    kind = none_kind(dataset.kinds, settings.notes.none)
    none = None if kind is None else number.get(kind)  # a kind that is named, but has no note
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


def keep_with_model(context: StageContext, found: Certainty) -> None:
    """Put temperature and threshold into the run's model.json, for `classify`."""
    card = context.school.model_folder(context.run) / "model.json"
    if not card.exists():  # its owner took it away
        return
    model = json.loads(card.read_text("utf-8"))
    write_json(
        card,
        {
            **model,
            "temperature": found.calibration.temperature,
            "threshold": found.abstention.threshold,
        },
    )


def _rows(
    probabilities: Mapping[str, Sequence[float]], items: Sequence[Item], kinds: int
) -> Floats:
    """Probabilities in the items' order, shape (items, kinds)."""
    return np.array([probabilities[item.id] for item in items], dtype=float).reshape(-1, kinds)
