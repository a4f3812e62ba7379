"""The policy's history, from the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nightschool.jobs.history import History, history_of, read_history
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import FRUITLESS, Outcome, Reason
from nightschool.ledger.records import EventKind, PastDecision, StageName, Timing

H = 3600.0


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db", clock) as ledger:
        yield ledger


def past(*newest_first: tuple[float, Reason]) -> History:
    rows = [PastDecision(at, 1, why is Reason.IN_WINDOW, why, "") for at, why in newest_first]
    return history_of(rows, [])


def test_new_school_has_an_empty_history(ledger: Ledger) -> None:
    assert read_history(ledger, 1_000_000.0) == History()


def test_quiet_time_begins_with_the_decision_after_the_disturbance() -> None:
    history = past((30, Reason.QUIET_TIME), (20, Reason.ON_BATTERY), (10, Reason.IN_WINDOW))
    assert (history.disturbed, history.quiet_since, history.running) == (
        Reason.ON_BATTERY,
        30,
        False,
    )
    history = past((40, Reason.IN_WINDOW), (30, Reason.QUIET_TIME), (20, Reason.OWNER_ACTIVE))
    assert (history.disturbed, history.quiet_since, history.running) == (
        Reason.OWNER_ACTIVE,
        30,
        True,
    )


def test_disturbance_of_the_last_decision_still_lasts() -> None:
    history = past((20, Reason.GPU_BUSY), (10, Reason.IN_WINDOW))
    assert (history.disturbed, history.quiet_since) == (Reason.GPU_BUSY, None)


def test_time_without_a_worker_is_not_quiet_time() -> None:
    rows = (40.0, Reason.NO_WORKER), (30.0, Reason.NO_WORKER), (20.0, Reason.ON_BATTERY)
    assert past(*rows).quiet_since is None
    assert past((41.0, Reason.QUIET_TIME), *rows).quiet_since == 41


@pytest.mark.parametrize(
    ("rows", "hot"),
    [
        ([(10, Reason.TOO_HOT)], True),
        ([(20, Reason.PAUSED), (10, Reason.TOO_HOT)], True),
        ([(30, Reason.NO_WORKER), (20, Reason.WOKE), (10, Reason.TOO_HOT)], True),
        ([(20, Reason.OWNER_ACTIVE), (10, Reason.TOO_HOT)], False),
        ([(20, Reason.IN_WINDOW), (10, Reason.TOO_HOT)], False),
        ([], False),
    ],
)
def test_heat_lasts_until_a_later_rule_was_evaluated(
    rows: list[tuple[float, Reason]], hot: bool
) -> None:
    assert past(*rows).hot is hot


def test_consecutive_stages_and_chunks_are_one_start(ledger: Ledger, clock: Clock) -> None:
    run = ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT).id
    chunk_done = Outcome.CHUNK_DONE
    for end in (chunk_done, Reason.OUTSIDE_WINDOW, Outcome.FINISHED, Outcome.LOST, chunk_done):
        claim = ledger.claim(run, "worker")
        assert claim
        clock.now += 100
        if end is Outcome.FINISHED:
            ledger.finish(claim, {})
        else:
            ledger.interrupt(claim, end, "")
        clock.now += 10
    history = read_history(ledger, clock.now)
    begin = 1_000_000.0
    assert history.starts == (begin, begin + 220, begin + 440)
    assert history.worked_s(begin, clock.now, clock.now) == 500, "what crashed is no work"
    assert history.worked_s(begin + 50, begin + 130, clock.now) == 70


@pytest.mark.parametrize("retried", [False, True])
def test_work_of_a_dead_worker_counts_until_its_last_sign_of_life(
    ledger: Ledger, clock: Clock, retried: bool
) -> None:
    run = ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT).id
    assert ledger.claim(run, "worker")
    clock.now += 100
    ledger.event(run, StageName.PREP, EventKind.PROGRESS, "still here")
    clock.now += 10 * H
    ledger.take_over()
    if retried:
        ledger.cancel(run)
        ledger.retry(run)
    assert read_history(ledger, clock.now).worked_s(0, clock.now, clock.now) == 100
    assert ledger.seconds(run) == 100


def test_chunk_after_a_pause_is_another_start(ledger: Ledger, clock: Clock) -> None:
    run = ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT).id
    for wait in (59, 61):
        claim = ledger.claim(run, "worker")
        assert claim
        clock.now += 100
        ledger.interrupt(claim, Outcome.CHUNK_DONE, "")
        clock.now += wait
    assert ledger.claim(run, "worker")
    begin = 1_000_000.0
    assert read_history(ledger, clock.now).starts == (begin, begin + 320)


@pytest.mark.parametrize("fruitless", FRUITLESS)
def test_fruitless_attempt_is_neither_start_nor_work(
    ledger: Ledger, clock: Clock, fruitless: Reason
) -> None:
    run = ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT).id
    begin = clock.now
    for outcome in (Reason.OUTSIDE_WINDOW, fruitless, fruitless):
        claim = ledger.claim(run, "worker")
        assert claim
        clock.now += 20
        ledger.interrupt(claim, outcome, "")
    history = read_history(ledger, clock.now)
    assert (history.starts, history.stretches) == ((begin,), ((begin, begin + 20),))
    assert history.ended == (fruitless, begin + 60)
    assert ledger.claim(run, "worker")
    assert read_history(ledger, clock.now).ended is None


def test_current_work_counts_until_now(ledger: Ledger, clock: Clock) -> None:
    run = ledger.add_run({}, StageName.COMPARE, Timing.NOW).id
    assert ledger.claim(run, "worker")
    clock.now += 500
    history = read_history(ledger, clock.now)
    assert history.worked_s(0, clock.now + H, clock.now) == 500


def test_attempts_older_than_two_days_are_not_read(ledger: Ledger, clock: Clock) -> None:
    run = ledger.add_run({}, StageName.COMPARE, Timing.NOW).id
    claim = ledger.claim(run, "worker")
    assert claim
    ledger.finish(claim, {})
    assert read_history(ledger, clock.now + 49 * H).stretches == ()
