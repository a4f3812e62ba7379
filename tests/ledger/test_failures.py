"""Failed attempts without progress, as the ledger counts them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.ledger.failures import MAX_FAILURES, retry_delay_s
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import RETRIED, Outcome, Reason
from nightschool.ledger.records import Timing
from tests.ledger.claims import Clock, add, claimed, finish_all, lose

EIO = "unexpected OSError: [Errno 5] Input/output error"


def err(ledger: Ledger, run: int, step: int | None = None) -> None:
    claim = claimed(ledger, run)
    if step is not None:
        ledger.progress(claim, step, 100, 0.5, 60.0)
    ledger.interrupt(claim, Outcome.ERROR, EIO)


def count(ledger: Ledger, run: int) -> int:
    failed = ledger.failures(run)
    return failed.count if failed else 0


def test_delays_grow_from_a_minute_to_a_day() -> None:
    delays = [retry_delay_s(count) for count in range(1, MAX_FAILURES)]
    assert [delay / 60 for delay in delays] == [1, 3, 9, 27, 81, 243, 729, 1440]


def test_failures_hold_the_error_and_the_time_of_the_next_attempt(
    ledger: Ledger, clock: Clock
) -> None:
    run = add(ledger)
    assert ledger.failures(run) is None
    err(ledger, run)
    clock.now += 60
    err(ledger, run)
    failed = ledger.failures(run)
    assert failed and (failed.stage, failed.count, failed.reason) == ("prep", 2, EIO)
    assert failed.retry_at == clock.now + 180
    assert failed.is_waiting(clock.now + 179) and not failed.is_waiting(clock.now + 180)
    assert not failed.is_waiting(clock.now - 1), "the clock was set back"
    assert [event.message for event in ledger.events(run)][1:] == [
        f"prep: error ({EIO}); attempt 2 of 9 follows after 1 min",
        f"prep: error ({EIO}); attempt 3 of 9 follows after 3 min",
    ]


def test_failures_outlive_the_worker(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    run = add(ledger)
    err(ledger, run)
    before = ledger.failures(run)
    ledger.close()
    with Ledger(tmp_path / "ledger.db", clock) as again:
        again.take_over()
        assert before and again.failures(run) == before


@pytest.mark.parametrize("outcome", RETRIED)
def test_a_run_fails_with_its_last_error_after_too_many(ledger: Ledger, outcome: Outcome) -> None:
    run = add(ledger)
    for _ in range(MAX_FAILURES):
        assert ledger.run(run).state == "queued" and not ledger.has_given_up(run)
        lose(ledger, run, outcome)
    failed = ledger.run(run)
    assert failed.state == "failed" and ledger.has_given_up(run)
    assert failed.reason.startswith(
        "its process ended with code -11 (prep failed 9 times without progress): "
    )


def test_a_final_error_fails_at_once_and_is_not_given_up(ledger: Ledger) -> None:
    run = add(ledger)
    err(ledger, run)
    ledger.fail(claimed(ledger, run), "no base model")
    assert ledger.run(run).reason == "no base model" and not ledger.has_given_up(run)


def test_progress_and_a_finished_stage_start_the_count_anew(ledger: Ledger) -> None:
    run = add(ledger)
    err(ledger, run)
    finish_all_up_to_train(ledger, run)
    assert count(ledger, run) == 0
    for step, counted in [(3, 1), (3, 2), (2, 3), (4, 1), (None, 2)]:
        err(ledger, run, step)
        assert count(ledger, run) == counted
    claim = claimed(ledger, run)
    ledger.progress(claim, 5, 100, 0.5, 60.0)
    ledger.interrupt(claim, Reason.PAUSED, "")
    assert count(ledger, run) == 0


def finish_all_up_to_train(ledger: Ledger, run: int) -> None:
    finish_all(ledger, run, but=3)


@pytest.mark.parametrize("between", [Reason.OWNER_ACTIVE, Reason.DEVICE_BUSY, Outcome.STOPPED])
def test_an_attempt_that_was_stopped_neither_counts_nor_resets(
    ledger: Ledger, between: Outcome | Reason
) -> None:
    run = add(ledger)
    err(ledger, run)
    ledger.interrupt(claimed(ledger, run), between, "")
    claimed(ledger, run)
    ledger.take_over()
    err(ledger, run)
    assert count(ledger, run) == 2


def test_other_runs_work_while_one_waits_after_an_error(ledger: Ledger, clock: Clock) -> None:
    first, second = add(ledger), add(ledger, timing=Timing.TONIGHT)
    err(ledger, first)
    next_run = ledger.next_run()
    assert next_run and next_run.id == second
    err(ledger, second)
    waiting = ledger.next_run()
    assert waiting and waiting.id == first, "both wait: the usual order"
    clock.now += 60
    next_run = ledger.next_run()
    assert next_run and next_run.id == first


def test_retry_tries_a_run_that_waits_at_once(ledger: Ledger) -> None:
    run = add(ledger)
    err(ledger, run)
    ledger.retry(run)
    assert ledger.failures(run) is None and ledger.run(run).state == "queued"
