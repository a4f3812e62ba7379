from __future__ import annotations

from nightschool.ledger.failures import MAX_FAILURES
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import STAGES, StageName
from tests.ledger.claims import Clock, add, claimed, finish_all, lose


def test_a_run_goes_through_its_stages_in_order(ledger: Ledger) -> None:
    run = add(ledger)
    done = []
    while claim := ledger.claim(run, "worker"):
        assert ledger.run(run).state == "running"
        done.append(claim.stage)
        ledger.finish(claim, {"reason": "promote: better"})
    assert tuple(done) == STAGES
    assert (ledger.run(run).state, ledger.run(run).reason) == ("done", "promote: better")


def test_a_run_has_one_lease_at_a_time(ledger: Ledger) -> None:
    run = add(ledger)
    assert ledger.claim(run, "a") is not None
    assert ledger.claim(run, "b") is None


def test_a_claim_for_a_stage_that_is_not_next_gets_nothing(ledger: Ledger) -> None:
    run = add(ledger)
    assert ledger.claim(run, "worker", StageName.BASELINE) is None
    assert ledger.attempts_of(run) == []
    claim = ledger.claim(run, "worker", StageName.PREP)
    assert claim and claim.stage is StageName.PREP


def test_an_interrupted_stage_is_claimed_again(ledger: Ledger) -> None:
    run = add(ledger)
    ledger.interrupt(claimed(ledger, run), Reason.PAUSED, "paused until 02:00")
    assert (ledger.run(run).state, ledger.run(run).reason) == ("queued", "paused until 02:00")
    assert claimed(ledger, run).stage == "prep"


def test_a_new_worker_takes_over_the_leases_of_a_dead_one(ledger: Ledger) -> None:
    run = add(ledger)
    claimed(ledger, run)
    assert ledger.take_over() == [run]
    assert ledger.run(run).state == "queued"
    assert claimed(ledger, run).stage == "prep"


def test_a_claim_whose_lease_is_gone_changes_nothing(ledger: Ledger, clock: Clock) -> None:
    run = add(ledger)
    stale = claimed(ledger, run)
    ledger.take_over()
    new = claimed(ledger, run)
    before = (ledger.run(run), ledger.stages(run), ledger.attempts_of(run), ledger.events(run))
    clock.now += 10
    ledger.progress(stale, 5, 10, 0.5, 60.0)
    ledger.interrupt(stale, Outcome.STOPPED, "")
    ledger.fail(stale, "no base model")
    ledger.finish(stale, {})
    after = (ledger.run(run), ledger.stages(run), ledger.attempts_of(run), ledger.events(run))
    assert after == before
    ledger.finish(new, {})
    assert ledger.stage(run, StageName.PREP).state == "done"


def test_a_stage_that_dies_without_progress_fails_in_the_end(ledger: Ledger) -> None:
    run = add(ledger)
    for _ in range(MAX_FAILURES - 1):
        lose(ledger, run)
        assert ledger.run(run).state == "queued"
    lose(ledger, run)
    assert ledger.run(run).state == "failed"
    assert "code -11" in ledger.run(run).reason and "retry" in ledger.run(run).reason


def test_a_stage_that_dies_but_makes_progress_continues(ledger: Ledger) -> None:
    run = add(ledger)
    for step in range(1, MAX_FAILURES):
        claim = claimed(ledger, run)
        ledger.progress(claim, step, 100, 0.5, 60.0)
        ledger.interrupt(claim, Outcome.LOST, "its process ended with code -11")
    assert ledger.run(run).state == "queued"


def test_a_stage_that_gets_no_further_than_before_fails_in_the_end(ledger: Ledger) -> None:
    run = add(ledger)
    for attempt in range(MAX_FAILURES):  # the first one does get further
        assert ledger.run(run).state == "queued", attempt
        claim = claimed(ledger, run)
        ledger.progress(claim, 5, 100, 0.5, 60.0)
        ledger.interrupt(claim, Outcome.LOST, "its process ended with code -11")
    assert ledger.run(run).state == "failed"


def test_a_stage_that_is_killed_from_outside_fails_later(ledger: Ledger) -> None:
    run = add(ledger)
    for _ in range(MAX_FAILURES):
        assert ledger.run(run).state == "queued"
        lose(ledger, run, Outcome.KILLED)
    assert ledger.run(run).state == "failed"
    ledger.retry(run)
    lose(ledger, run, Outcome.KILLED)
    assert ledger.run(run).state == "queued"


def test_progress_counts_even_if_the_worker_dies_after_it(ledger: Ledger) -> None:
    run = add(ledger)
    for step in range(1, 3):
        for _ in range(MAX_FAILURES - 1):
            lose(ledger, run)
        ledger.progress(claimed(ledger, run), step, 100, 0.5, 60.0)
        ledger.take_over()
    assert ledger.run(run).state == "queued"


def test_workers_that_die_do_not_count_against_the_stage(ledger: Ledger) -> None:
    run = add(ledger)
    for _ in range(2 * MAX_FAILURES):
        claimed(ledger, run)
        ledger.take_over()
    assert ledger.run(run).state == "queued"


def test_a_cancelled_run_is_never_claimed_and_stays_cancelled(ledger: Ledger) -> None:
    run = add(ledger)
    claim = claimed(ledger, run)
    ledger.cancel(run)
    ledger.interrupt(claim, Outcome.CANCELLED, "")
    assert ledger.run(run).state == "cancelled"
    assert ledger.claim(run, "worker") is None


def test_the_last_stage_promotes_in_the_same_transaction_and_only_once(ledger: Ledger) -> None:
    run = add(ledger)
    finish_all(ledger, run, but=1)
    claim = claimed(ledger, run)
    ledger.finish(claim, {"reason": "better"}, promote=True)
    ledger.finish(claim, {"reason": "better"}, promote=True)
    ledger.promote(run)
    assert (ledger.run(run).state, ledger.promotions()) == ("done", [run])


def test_a_run_that_is_cancelled_in_its_last_stage_promotes_nothing(ledger: Ledger) -> None:
    run = add(ledger)
    finish_all(ledger, run, but=1)
    claim = claimed(ledger, run)
    ledger.cancel(run)
    ledger.finish(claim, {"reason": "better"}, promote=True)
    assert (ledger.run(run).state, ledger.promotions()) == ("cancelled", [])
