from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.config.errors import RequestError
from nightschool.ledger.failures import MAX_FAILURES
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import STAGES, StageName, Timing
from tests.ledger.claims import add, claimed, finish_all, lose


def test_a_run_waits_at_its_goal_and_continues_when_the_goal_is_raised(ledger: Ledger) -> None:
    run = add(ledger, goal=StageName.PREP)
    ledger.finish(claimed(ledger, run), {})
    assert ledger.run(run).state == "waiting"
    assert ledger.claim(run, "worker") is None
    assert ledger.raise_goal(run, StageName.BASELINE, Timing.NOW).state == "queued"
    assert claimed(ledger, run).stage == "baseline"


def test_a_goal_is_never_lowered(ledger: Ledger) -> None:
    run = add(ledger, goal=StageName.COMPARE)
    assert ledger.raise_goal(run, StageName.PREP, Timing.NOW).goal == "compare"


def test_a_failed_run_is_retried_from_where_it_failed(ledger: Ledger) -> None:
    run = add(ledger)
    ledger.finish(claimed(ledger, run), {})
    ledger.fail(claimed(ledger, run), "no base model")
    assert ledger.run(run).state == "failed"
    assert ledger.claim(run, "worker") is None
    ledger.retry(run)
    assert claimed(ledger, run).stage == "baseline"


def test_retry_keeps_the_outcomes_of_past_attempts(ledger: Ledger) -> None:
    run = add(ledger)
    for _ in range(MAX_FAILURES):
        lose(ledger, run)
    before = ledger.attempts_of(run)
    ledger.retry(run)
    assert ledger.attempts_of(run) == before
    assert {attempt.outcome for attempt in before} == {Outcome.LOST}


def test_losses_before_a_retry_do_not_count_and_those_after_it_do(ledger: Ledger) -> None:
    run = add(ledger)
    for _ in range(2):
        for _ in range(MAX_FAILURES):
            assert ledger.run(run).state == "queued"
            lose(ledger, run)
        assert ledger.run(run).state == "failed"
        ledger.retry(run)


def test_a_run_that_is_cancelled_and_retried_immediately_continues(ledger: Ledger) -> None:
    """Its child has not noticed, or is only now ending."""
    run = add(ledger)
    claim = claimed(ledger, run)
    ledger.cancel(run)
    assert ledger.retry(run).state == "running"
    ledger.interrupt(claim, Outcome.STOPPED, "")
    assert ledger.run(run).state == "queued"
    assert claimed(ledger, run).stage == "prep"


def test_a_retried_run_with_no_stage_left_is_done(ledger: Ledger) -> None:
    run = add(ledger)
    finish_all(ledger, run, but=1)
    claim = claimed(ledger, run)
    ledger.cancel(run)
    ledger.finish(claim, {})
    assert ledger.run(run).state == "cancelled"
    assert ledger.retry(run).state == "done"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (lambda ledger, run: ledger.retry(run), "only a failed or cancelled run"),
        (lambda ledger, run: ledger.cancel(run + 1), "there is no run 2"),
        (lambda ledger, run: ledger.stage(run + 1, "prep"), "there is no run 2"),
        (lambda ledger, run: ledger.raise_goal(run + 1, "prep", "now"), "there is no run 2"),
        (lambda ledger, run: ledger.cancel(ledger.cancel(run).id), "already cancelled"),
        (lambda ledger, run: ledger.rollback(), "nothing to roll back"),
        (lambda ledger, run: ledger.promote(run + 1), "there is no run 2"),
    ],
)
def test_an_impossible_request_is_a_one_line_error(
    ledger: Ledger, request_: object, message: str
) -> None:
    run = add(ledger)
    assert callable(request_)
    with pytest.raises(RequestError, match=message) as error:
        request_(ledger, run)
    assert "\n" not in str(error.value)


def test_the_run_under_way_comes_first_then_now_then_tonight(ledger: Ledger) -> None:
    tonight, now = add(ledger, timing=Timing.TONIGHT), add(ledger, timing=Timing.NOW)
    first = ledger.next_run()
    assert first and first.id == now
    claimed(ledger, tonight)
    under_way = ledger.next_run()
    assert under_way and under_way.id == tonight


def test_a_new_ledger_takes_no_number_whose_results_are_on_disk(
    ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "runs/7").mkdir(parents=True)
    assert add(ledger) == 8
    (tmp_path / "models/run-11").mkdir(parents=True)
    assert add(ledger) == 12
    with pytest.raises(RequestError, match="does not know run 7, whose files are there"):
        ledger.run(7)


def test_a_retraining_is_queued_with_its_reason_only_if_no_run_is_open(ledger: Ledger) -> None:
    first = ledger.queue_retraining({"base": "demo"}, "23 new notes")
    assert first and (first.state, first.timing, first.goal) == ("queued", "tonight", STAGES[-1])
    assert first.reason == "queued automatically: 23 new notes"
    assert [event.message for event in ledger.events(first.id)] == [
        "run 1 queued (goal: compare)", "queued automatically: 23 new notes",
    ]  # fmt: skip
    assert ledger.queue_retraining({}, "again") is None
    claimed(ledger, first.id)
    assert ledger.queue_retraining({}, "while it runs") is None
    ledger.cancel(first.id)
    assert ledger.queue_retraining({}, "later") is not None


def test_the_newest_run_with_notes_trained_on_them_or_ended(ledger: Ledger) -> None:
    assert ledger.newest_run_with_notes() is None
    only_prepared = add(ledger, goal=StageName.PREP)
    ledger.finish(claimed(ledger, only_prepared), {})
    assert ledger.newest_run_with_notes() is None
    trained = add(ledger)
    for _ in range(3):
        assert ledger.newest_run_with_notes() is None
        ledger.finish(claimed(ledger, trained), {})
    assert ledger.newest_run_with_notes() == trained
    failed_in_prep = add(ledger)
    ledger.fail(claimed(ledger, failed_in_prep), "no notes")
    assert ledger.newest_run_with_notes() == trained
    failed_later = add(ledger)
    ledger.finish(claimed(ledger, failed_later), {})
    ledger.fail(claimed(ledger, failed_later), "no room")
    assert ledger.newest_run_with_notes() == failed_later
