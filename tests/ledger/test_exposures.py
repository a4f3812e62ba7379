from __future__ import annotations

from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Answerer
from tests.ledger.claims import add


def test_a_test_exposure_is_recorded_once_for_each_run_and_answerer(ledger: Ledger) -> None:
    one, two = add(ledger), add(ledger)
    for run in (one, one, two):
        ledger.record_exposure(run, Answerer.BASE, "d1", "t1")
        for seed in (None, 7, 8):
            ledger.record_exposure(run, Answerer.ADAPTER, "d1", "t1", seed=seed)
    for _ in range(2):
        ledger.record_exposure(two, Answerer.CHAMPION, "d1", "t1", model_run=one)
    exposures = ledger.exposures()
    assert [(e.run, e.answerer, e.seed, e.model_run) for e in exposures] == [
        (one, "base", None, None), (one, "adapter", None, None), (one, "adapter", 7, None),
        (one, "adapter", 8, None), (two, "base", None, None), (two, "adapter", None, None),
        (two, "adapter", 7, None), (two, "adapter", 8, None), (two, "champion", None, one),
    ]  # fmt: skip
    assert {(e.dataset, e.test) for e in exposures} == {("d1", "t1")}
