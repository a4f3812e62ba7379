"""Jobs are repeated whatever the clocks do, and none of them stops another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import apscheduler.schedulers.base as aps_base
import pytest

from nightschool.config.errors import LedgerError
from nightschool.config.night_settings import NightSettings
from nightschool.config.paths import School
from nightschool.jobs import scheduler as scheduler_module
from nightschool.jobs.policy_tick import PolicyTick
from nightschool.jobs.scheduler import Every, ScheduledJob, Scheduler
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from nightschool.tasks.app import open_queue
from tests.jobs.nights import signals


class Ticks:
    """Counts ticks in place of a policy."""

    def __init__(self) -> None:
        self.count = 0
        self.ticked: float | None = None

    def tick(self) -> None:
        self.count += 1
        self.ticked = time.monotonic()

    def close(self) -> None:
        pass


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def scheduler(ticks: Ticks) -> Iterator[Scheduler]:
    scheduler = Scheduler(cast(PolicyTick, ticks))
    yield scheduler
    scheduler.stop()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_policy_ticks_until_it_is_stopped(tmp_path: Path) -> None:
    school = School(tmp_path)
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run({}, StageName.COMPARE, Timing.NOW)
        queue = open_queue(school, "sqlite")
        scheduler = Scheduler(PolicyTick(school, queue, NightSettings(), signals))
        wait_until(lambda: ledger.control().decision_reason == "run_now")
        scheduler.stop()
        ledger.pause(None)
    assert scheduler.decision and scheduler.decision.run
    assert not any(thread.name.startswith("scheduler") for thread in threading.enumerate())


def test_jobs_continue_when_the_wall_clock_is_set_back(
    scheduler: Scheduler, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[int] = []
    scheduler.add_job("other", 0.01, lambda: others.append(1))
    wait_until(lambda: ticks.count and others)

    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - timedelta(days=1)

    monkeypatch.setattr(aps_base, "datetime", Yesterday)
    monkeypatch.setattr(scheduler_module, "datetime", Yesterday)
    monkeypatch.setattr(scheduler_module, "OVERDUE_S", -1.0)
    before = ticks.count, len(others)

    def continues() -> bool:
        scheduler.recover()
        return ticks.count > before[0] + 2 and len(others) > before[1] + 2

    wait_until(continues)


def test_month_of_sleep_is_one_tick() -> None:
    now = datetime.now(UTC)
    assert Every(1.0).get_next_fire_time(now - timedelta(days=30), now) > now


def test_job_that_hangs_does_not_delay_the_policy(scheduler: Scheduler, ticks: Ticks) -> None:
    hang = threading.Event()

    def wait() -> None:
        hang.wait(30)

    scheduler.add_job("hangs", 60.0, wait)
    before = ticks.count
    wait_until(lambda: ticks.count > before + 1)
    hang.set()


def test_policy_that_hangs_does_not_hurry_the_other_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = threading.Event()
    calls: list[int] = []

    class Hangs(Ticks):
        def tick(self) -> None:
            hang.wait(30)

    monkeypatch.setattr(scheduler_module, "OVERDUE_S", 30.0)
    policy = Hangs()
    scheduler = Scheduler(cast(PolicyTick, policy))
    try:
        scheduler.add_job("seldom", 60.0, lambda: calls.append(1))
        wait_until(lambda: calls)
        policy.ticked = time.monotonic() - 60
        scheduler.recover()
        wait_until(lambda: len(calls) == 2)
        for _ in range(10):
            scheduler.recover()
            time.sleep(0.02)
        assert len(calls) == 2
    finally:
        hang.set()
        scheduler.stop()


def test_stop_closes_in_the_thread_of_the_jobs(ticks: Ticks) -> None:
    scheduler = Scheduler(cast(PolicyTick, ticks))
    threads: list[int] = []
    scheduler.add_job("job", 60.0, lambda: threads.append(threading.get_ident()))
    wait_until(lambda: threads)
    scheduler.stop(lambda: threads.append(threading.get_ident()))
    assert threads[0] == threads[1] != threading.get_ident()


@pytest.mark.parametrize(
    ("error", "traceback"), [(LedgerError("the ledger is held"), False), (TypeError("a bug"), True)]
)
def test_failing_job_is_reported_once_and_retried(
    error: Exception,
    traceback: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise error

    job = ScheduledJob("example", fail)
    job.run()
    job.run()
    assert len(calls) == 1, "not before a while has passed"
    monkeypatch.setattr(scheduler_module, "RETRY_S", 0.0)
    job = ScheduledJob("example", fail)
    for _ in range(3):
        job.run()
    assert len(calls) == 4
    assert caplog.messages == [f"example: {type(error).__name__}: {error}; retrying"] * 2
    assert ("Traceback" in caplog.text) is traceback
