from __future__ import annotations

from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import EventKind, StageName
from tests.ledger.claims import Clock, add, claimed


def test_time_worked_includes_the_attempt_under_way_and_excludes_fruitless_ones(
    ledger: Ledger, clock: Clock
) -> None:
    clock.now = 0.0
    run = add(ledger)
    assert ledger.seconds(run) == 0
    prep = claimed(ledger, run)
    clock.now = 3.0
    ledger.finish(prep, {})
    clock.now = 100.0  # it waited
    baseline = claimed(ledger, run)
    clock.now = 105.0
    ledger.interrupt(baseline, Reason.PAUSED, "")
    refused = claimed(ledger, run)
    clock.now = 125.0
    ledger.interrupt(refused, Reason.DEVICE_BUSY, "another process works on cuda")
    baseline = claimed(ledger, run)
    clock.now = 5000.0  # the computer was off: when it ended is unknown
    ledger.take_over()
    claimed(ledger, run)
    clock.now = 5002.0
    assert (ledger.seconds(run), ledger.seconds(run, StageName.BASELINE)) == (10.0, 7.0)
    assert ledger.seconds(add(ledger)) == 0


def test_attempts_hold_their_times_outcomes_and_steps(ledger: Ledger, clock: Clock) -> None:
    run = add(ledger)
    ledger.finish(claimed(ledger, run), {})
    clock.now = 200.0
    claim = claimed(ledger, run)
    ledger.progress(claim, 7, 20, 0.5, 60.0)
    clock.now = 300.0
    ledger.interrupt(claim, Reason.OUTSIDE_WINDOW, "the window closed")
    clock.now = 400.0
    claimed(ledger, run)
    attempts = ledger.attempts_of(run)
    assert [(a.stage, a.started, a.ended, a.outcome, a.reason) for a in attempts] == [
        ("prep", 100.0, 100.0, Outcome.FINISHED, ""),
        ("baseline", 200.0, 300.0, Reason.OUTSIDE_WINDOW, "the window closed"),
        ("baseline", 400.0, None, None, None),
    ]
    assert [(a.first_step, a.last_step) for a in attempts] == [(0, None), (0, 7), (7, None)]
    assert ledger.attempts_of(run + 1) == []
    between = [(150, 199), (150, 201), (299, 300), (300, 400), (300, 401), (1e9, 2e9)]
    assert [[a.started for a in ledger.attempts_between(*times)] for times in between] == [
        [], [200], [200], [], [400], [400],
    ]  # fmt: skip
    assert [[a.started for a in ledger.attempts(since)] for since in (50, 100, 300)] == [
        [100, 200, 400], [200, 400], [400],
    ]  # fmt: skip


def test_an_attempt_whose_worker_died_ends_when_the_worker_last_wrote_to_the_log(
    ledger: Ledger, clock: Clock
) -> None:
    run = add(ledger)
    claim = claimed(ledger, run)
    clock.now = 160.0
    ledger.event(run, claim.stage, EventKind.CHOICE, "precision = fp16")
    clock.now = 90_000.0
    ledger.take_over()
    (attempt,) = ledger.attempts_of(run)
    assert (attempt.ended, attempt.outcome) == (160.0, Outcome.LOST)
    assert ledger.attempts_between(200.0, 300.0) == []
    claimed(ledger, run)
    clock.now = 180_000.0
    ledger.take_over()
    assert ledger.attempts_of(run)[1].ended == 90_000.0
