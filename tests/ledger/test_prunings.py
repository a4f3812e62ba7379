"""What the ledger lets go, and what it protects."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.config.errors import RequestError
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import StageName, Timing


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db", durable=False)


def add_run(ledger: Ledger, stages: int = 5, *, fail: bool = False, dataset: str = "") -> int:
    """A run of which so many stages are done; the next one fails, if asked."""
    run = ledger.add_run({}, StageName.COMPARE, Timing.NOW).id
    for _ in range(stages):
        claim = ledger.claim(run, "worker")
        assert claim
        ledger.finish(claim, {"dataset": dataset or f"d{run}", "reason": ""})
    if fail:
        claim = ledger.claim(run, "worker")
        assert claim
        ledger.fail(claim, "broken")
    return run


def paths(ledger: Ledger, keep: int) -> set[str]:
    return {part.path for part in ledger.prunable(keep)}


def test_checkpoints_go_once_the_model_is_published_however_many_runs_are_kept(
    ledger: Ledger,
) -> None:
    add_run(ledger, stages=2)
    assert paths(ledger, 0) == set()
    claim = ledger.claim(1, "worker")
    assert claim
    ledger.interrupt(claim, Outcome.CHUNK_DONE, "")
    assert paths(ledger, 1) == set()
    claim = ledger.claim(1, "worker")
    assert claim
    ledger.finish(claim, {})
    assert paths(ledger, 0) == {
        "runs/1/checkpoints", "runs/1/adapter", "runs/1/seed-*/checkpoints",
    }  # fmt: skip
    parts = {part.path: part.copy for part in ledger.prunable(0)}
    assert parts["runs/1/adapter"] == "models/run-1/adapter"


def test_a_school_without_runs_has_nothing_to_delete(ledger: Ledger) -> None:
    assert paths(ledger, 1) == set()


def test_old_runs_lose_their_model_and_a_dataset_that_no_kept_run_uses(ledger: Ledger) -> None:
    for dataset in ("shared", "own", "shared"):
        add_run(ledger, dataset=dataset)
    gone = paths(ledger, 1)
    assert {"models/run-1/adapter", "models/run-2/adapter", "datasets/own"} <= gone
    assert not {"models/run-3/adapter", "datasets/shared"} & gone


def test_models_that_can_be_rolled_back_to_stay_with_their_datasets(ledger: Ledger) -> None:
    for _ in range(4):
        add_run(ledger)
    for run in (1, 2):
        ledger.promote(run)
    gone = paths(ledger, 1)
    assert not {"models/run-1/adapter", "datasets/d1", "models/run-2/adapter", "datasets/d2"} & gone
    ledger.rollback()
    assert "models/run-2/adapter" in paths(ledger, 1)


def test_a_failed_run_keeps_what_retry_needs_while_it_is_among_the_kept(ledger: Ledger) -> None:
    add_run(ledger, stages=2, fail=True)
    for _ in range(2):
        add_run(ledger)
    assert "runs/1/checkpoints" not in paths(ledger, 3)
    assert {"runs/1/checkpoints", "datasets/d1"} <= paths(ledger, 2)


def test_unfinished_runs_stay_whole(ledger: Ledger) -> None:
    add_run(ledger, stages=2)
    waiting = ledger.add_run({}, StageName.PREP, Timing.NOW).id
    claim = ledger.claim(waiting, "worker")
    assert claim
    ledger.finish(claim, {"dataset": "w"})
    for _ in range(3):
        add_run(ledger)
    gone = paths(ledger, 1)
    assert not {"runs/1/checkpoints", "datasets/d1", "runs/2/checkpoints", "datasets/w"} & gone


def test_a_model_that_was_promoted_meanwhile_is_not_recorded_as_pruned(ledger: Ledger) -> None:
    for _ in range(3):
        add_run(ledger)
    sizes = {"models/run-1/adapter": 5, "models/run-2/adapter": 7}
    ledger.promote(1)
    assert [part.path for part in ledger.record_prunings(sizes, 1)] == ["models/run-2/adapter"]
    assert {path: one.bytes for path, one in ledger.prunings().items()} == {
        "models/run-2/adapter": 7
    }


def test_a_pruned_model_is_not_promoted(ledger: Ledger) -> None:
    for _ in range(3):
        add_run(ledger)
    ledger.record_prunings({"models/run-1/adapter": 5}, 1)
    with pytest.raises(RequestError, match="the model of run 1 was pruned on"):
        ledger.promote(1)
    assert ledger.promotions() == []
