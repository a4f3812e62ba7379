"""Test exposures: each result that could be seen makes the next one on the same test notes less certain."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Answerer, TestExposure
from nightschool.notes.dataset import Dataset, load
from nightschool.notes.splits import Split
from nightschool.stats.results import TestExposures
from nightschool.stats.stage_results import PrepResult

if TYPE_CHECKING:
    from nightschool.stages.context import StageContext


def record_exposure(
    context: StageContext,
    dataset: Dataset,
    answerer: Answerer,
    *,
    seed: int | None = None,
    model_run: int | None = None,
) -> None:
    """Record that something answered the test notes of a dataset; see `Ledger.record_exposure`."""
    with Ledger(context.school.ledger_file) as ledger:
        ledger.record_exposure(
            context.run,
            answerer,
            context.result(PrepResult).dataset,
            fingerprint_of_test(dataset),
            seed=seed,
            model_run=model_run,
        )


def describe(exposure: TestExposure) -> str:
    """What answered the test notes: "adapter of seed 1"."""
    if exposure.answerer is Answerer.CHAMPION:
        return f"champion (adapter of run {exposure.model_run})"
    if exposure.answerer is Answerer.ARMS:
        return "comparison arms"
    seed = "" if exposure.seed is None else f" of seed {exposure.seed}"
    return f"{exposure.answerer}{seed}"


def exposures_of_test(
    context: StageContext, dataset: Dataset, accuracy: float, notes: float
) -> TestExposures:
    """The exposures of the test notes of this run's dataset, including this run's own.

    Another dataset's test notes count as the same if they hold at least half of these, or were pruned. The
    adapter of a run counts as one model, however often it answered as the champion. `accuracy` is
    the newest model's, on test notes worth `notes` independent ones.
    """
    from nightschool.stats.power import optimism  # lazy: scipy

    test = {item.id for item in dataset.of(Split.TEST)}
    fingerprint = fingerprint_of_test(dataset)
    same: dict[str, bool] = {}

    def is_same(exposure: TestExposure) -> bool:
        if exposure.test == fingerprint:
            return True
        if exposure.dataset not in same:
            folder = context.school.datasets / exposure.dataset
            same[exposure.dataset] = True
            if folder.exists():
                shared = sum(item.id in test for item in load(folder).of(Split.TEST))
                same[exposure.dataset] = 2 * shared >= len(test)
        return same[exposure.dataset]

    with Ledger(context.school.ledger_file) as ledger:
        exposures = [exposure for exposure in ledger.exposures() if is_same(exposure)]
    trained = [e.run for e in exposures if e.answerer is Answerer.ADAPTER]
    champions = {e.model_run for e in exposures if e.answerer is Answerer.CHAMPION}
    models = len(trained) + len(champions - set(trained))
    return TestExposures(
        looks=len(exposures),
        models=models,
        optimism=optimism(accuracy, notes, max(1, models)),
        by=tuple(f"run {exposure.run}: {describe(exposure)}" for exposure in exposures),
    )


def fingerprint_of_test(dataset: Dataset) -> str:
    """A fingerprint of the test notes alone: the training notes may grow beside them."""
    ids = sorted(item.id for item in dataset.of(Split.TEST))
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]
