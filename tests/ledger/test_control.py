from __future__ import annotations

import pytest

from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from tests.ledger.claims import Clock, add, claimed


def decisions(ledger: Ledger) -> list[tuple[float, int | None, bool, Reason, str]]:
    return [(d.at, d.run, d.allowed, d.reason, d.detail) for d in ledger.decisions(10)]


def test_a_pause_ends_at_its_time(ledger: Ledger, clock: Clock) -> None:
    ledger.pause(until=clock.now + 60)
    assert ledger.control().paused
    clock.now += 61
    assert not ledger.control().paused


def test_a_decision_is_recorded_only_if_it_differs_from_the_last(
    ledger: Ledger, clock: Clock
) -> None:
    ledger.decide(1, True, Reason.IN_WINDOW, "until 07:00")
    clock.now = 101.0
    ledger.decide(1, True, Reason.IN_WINDOW, "until 07:00")
    clock.now = 102.0
    ledger.decide(1, False, Reason.OWNER_ACTIVE, "idle for 0 s")
    clock.now = 103.0
    ledger.decide(2, False, Reason.OWNER_ACTIVE, "idle for 1 s")
    assert decisions(ledger) == [
        (103.0, 2, False, Reason.OWNER_ACTIVE, "idle for 1 s"),
        (102.0, 1, False, Reason.OWNER_ACTIVE, "idle for 0 s"),
        (100.0, 1, True, Reason.IN_WINDOW, "until 07:00"),
    ]
    assert [decision.at for decision in ledger.decisions(1)] == [103.0]
    assert ledger.control().decision_reason is Reason.OWNER_ACTIVE


def test_decisions_between_two_moments_include_the_one_in_force_at_the_start(
    ledger: Ledger, clock: Clock
) -> None:
    for at, reason in ((100, Reason.PAUSED), (200, Reason.OWNER_ACTIVE), (300, Reason.ON_BATTERY)):
        clock.now = float(at)
        ledger.decide(1, False, reason)
    times = [(0, 100), (0, 101), (150, 250), (200, 300), (400, 500)]
    assert [[d.at for d in ledger.decisions_between(*between)] for between in times] == [
        [], [100], [100, 200], [200], [300],
    ]  # fmt: skip


def test_a_worker_that_takes_over_has_decided_nothing_yet(ledger: Ledger) -> None:
    ledger.decide(1, True, Reason.IN_WINDOW)
    ledger.take_over()
    assert not ledger.control().run_allowed
    assert decisions(ledger)[0] == (100.0, None, False, Reason.NO_WORKER, "")


def test_the_decision_of_a_dead_worker_is_void_from_its_last_sign_of_life(
    ledger: Ledger, clock: Clock
) -> None:
    ledger.decide(1, True, Reason.IN_WINDOW)
    clock.now = 500.0
    ledger.take_over(last_seen=160.0)
    assert [(d.at, d.reason) for d in ledger.decisions(2)] == [
        (500.0, Reason.NO_WORKER),
        (160.0, Reason.NO_WORKER),
    ]


def test_an_attempt_ends_when_the_computer_goes_to_sleep(ledger: Ledger, clock: Clock) -> None:
    run = add(ledger)
    ledger.decide(run, True, Reason.IN_WINDOW)
    claim = claimed(ledger, run)
    clock.now = 9000.0
    ledger.slept(150.0, "the computer slept", ())
    (attempt,) = ledger.attempts_of(run)
    assert (attempt.ended, attempt.outcome) == (150.0, None)
    assert decisions(ledger)[0] == (150.0, run, False, Reason.WOKE, "the computer slept")
    clock.now = 9001.0
    ledger.interrupt(claim, Reason.WOKE, "")
    assert ledger.attempts_of(run)[0].ended == 150.0


@pytest.mark.parametrize(
    ("reason", "until", "woke"),
    [
        (Reason.OUTSIDE_WINDOW, None, None),
        (Reason.PAUSED, None, None),
        (Reason.PAUSED, 9500.0, None),
        (Reason.PAUSED, 4000.0, 4000.0),
        (Reason.OWNER_ACTIVE, None, 150.0),
    ],
)
def test_a_sleep_changes_the_decision_unless_its_reason_still_applies(
    ledger: Ledger, clock: Clock, reason: Reason, until: float | None, woke: float | None
) -> None:
    if reason is Reason.PAUSED:
        ledger.pause(until)
    ledger.decide(1, False, reason)
    clock.now = 9000.0
    ledger.slept(150.0, "", {Reason.OUTSIDE_WINDOW, Reason.PAUSED})
    assert [d.at for d in ledger.decisions(9) if d.reason is Reason.WOKE] == (
        [woke] if woke else []
    )
