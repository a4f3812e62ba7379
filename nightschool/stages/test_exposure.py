"""How often the test notes were looked at: every result that is seen makes the next one less sure."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from nightschool.config.errors import NotesError
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import TestExposure
from nightschool.notes.dataset import Dataset, load
from nightschool.notes.splits import Split
from nightschool.stats.results import TestExposures

if TYPE_CHECKING:
    from nightschool.stages.context import StageContext

BASE, ADAPTER, ARMS = "base", "adapter", "other arms"
IN_USE = ADAPTER + " of run {}, in use"
_IN_USE = re.compile(IN_USE.format(r"(\d+)"))


def record_exposure(context: StageContext, dataset: Dataset, what: str) -> None:
    """Record that something answered the test notes; what is an adapter begins with ADAPTER."""
    with Ledger(context.school.ledger_file) as ledger:
        ledger.record_exposure(
            context.run, what, context.result("prep")["dataset"], _fingerprint(dataset)
        )


def exposures_of_test(
    context: StageContext, dataset: Dataset, accuracy: float, notes: float
) -> TestExposures:
    """The looks at the test notes of this run's dataset, this run's own included.

    Another dataset's test notes count as the same where they hold at least half of these, or can no
    longer be read. A model that was asked again while it was in use is one model. `accuracy` is the
    newest model's, on test notes worth `notes` independent ones.
    """
    from nightschool.stats.power import optimism

    test = {item.id for item in dataset.of(Split.TEST)}
    fingerprint = _fingerprint(dataset)
    same: dict[str, bool] = {}

    def is_same(look: TestExposure) -> bool:
        if look.test == fingerprint:
            return True
        if look.dataset not in same:
            try:
                other = load(context.school.datasets / look.dataset)
                shared = sum(item.id in test for item in other.of(Split.TEST))
                same[look.dataset] = 2 * shared >= len(test)
            except NotesError:
                same[look.dataset] = True
        return same[look.dataset]

    with Ledger(context.school.ledger_file) as ledger:
        looks = [look for look in ledger.exposures() if is_same(look)]
    adapters = [look for look in looks if look.what.startswith(ADAPTER)]
    again = {look: int(found[1]) for look in adapters if (found := _IN_USE.fullmatch(look.what))}
    own = [look.run for look in adapters if look not in again]
    models = len(own) + len(set(again.values()) - set(own))
    return TestExposures(
        looks=len(looks),
        models=models,
        optimism=optimism(accuracy, notes, max(1, models)),
        by=tuple(f"run {look.run}: {look.what}" for look in looks),
    )


def _fingerprint(dataset: Dataset) -> str:
    """Names the test notes alone: what is trained on may grow beside them."""
    ids = sorted(item.id for item in dataset.of(Split.TEST))
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]
