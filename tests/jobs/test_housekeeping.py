"""What the worker does beside its runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nightschool.config.night_settings import NightSettings
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.jobs import housekeeping
from nightschool.jobs.housekeeping import Housekeeping
from nightschool.jobs.morning_notification import MorningNotification
from nightschool.jobs.policy import PolicyDecision
from nightschool.jobs.retraining import RetrainingCheck
from nightschool.jobs.signals.signal import Signal
from nightschool.jobs.signals.snapshot import read_snapshot
from nightschool.ledger.outcomes import Reason
from tests.jobs.nights import ALL_DAY, night, signals

ALWAYS = night(**ALL_DAY)


class Locks:
    """Stands in for the locks that keep a computer awake."""

    def __init__(self) -> None:
        self.held = False

    def hold(self, why: str) -> str | None:
        self.held = True
        return None

    def release(self) -> None:
        self.held = False


class Sleep:
    """Stands in for the announcement of a sleep."""

    delay_s = 100.0

    def __init__(self, on_change: Any) -> None:
        self.on_change, self.suspending, self.released = on_change, False, 0

    def signal(self) -> Signal[bool]:
        return Signal(self.suspending, "test")

    def ready(self) -> None:
        self.released += 1

    def close(self) -> None:
        pass


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    made = SimpleNamespace(locks=Locks(), sleep=None, ticks=0)

    def new_sleep(on_change: Any) -> Sleep:
        sleep = made.sleep = Sleep(on_change)
        return sleep

    monkeypatch.setattr(housekeeping, "Awake", lambda: made.locks)
    monkeypatch.setattr(housekeeping, "SuspendWatch", new_sleep)
    monkeypatch.setattr(RetrainingCheck, "start_if_due", lambda *_: None)
    monkeypatch.setattr(MorningNotification, "send_if_due", lambda *_: None)
    return made


class Jobs:
    """Stands in for the scheduler: runs all jobs when it is told to."""

    def __init__(self, night: NightSettings, decision: PolicyDecision) -> None:
        self.night, self.decision, self.recorded = night, decision, True
        self.decided = 0
        self.functions: list[Callable[[], None]] = []

    def add_job(self, name: str, every_s: float, function: Callable[[], None]) -> None:
        self.functions.append(function)

    def decide_now(self) -> None:
        self.decided += 1

    def is_recorded(self) -> bool:
        return self.recorded

    def run_all(self) -> None:
        for function in self.functions:
            function()


def keep(
    tmp_path: Any, settings: Any = ALWAYS, child: int | None = 5, on_ac: bool | None = True
) -> tuple[Housekeeping, Jobs]:
    """Housekeeping for a runner with that child, and a scheduler that allows work."""
    runner: Any = SimpleNamespace(child=child, gone_by=None)
    school_settings = Settings(night=settings)
    keeper = Housekeeping(School(tmp_path), school_settings, runner, lambda: signals(on_ac=on_ac))
    keeper.read_signals()
    decision = PolicyDecision(True, Reason.IN_WINDOW, "")
    scheduler = Jobs(settings, decision)
    keeper.schedule(cast(Any, scheduler))
    return keeper, scheduler


@pytest.mark.parametrize(
    ("settings", "child", "on_ac", "run", "held"),
    [
        (ALWAYS, 5, True, True, True),
        (ALWAYS, None, True, True, False),
        (ALWAYS, 5, False, True, False),
        (ALWAYS, 5, None, True, False),
        (ALWAYS, 5, True, False, False),
    ],
)
def test_computer_stays_awake_only_while_it_trains_in_a_window_on_mains(
    tmp_path: Any, parts: Any, settings: Any, child: Any, on_ac: Any, run: bool, held: bool
) -> None:
    _, scheduler = keep(tmp_path, settings, child, on_ac)
    scheduler.decision = PolicyDecision(run, Reason.IN_WINDOW if run else Reason.PAUSED, "")
    scheduler.run_all()
    assert parts.locks.held is held


def test_computer_may_sleep_outside_a_window(
    tmp_path: Any, parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "window_at", lambda night, now: None)
    _, scheduler = keep(tmp_path)
    scheduler.run_all()
    assert not parts.locks.held


def test_computer_may_sleep_when_training_ends_and_after_close(tmp_path: Any, parts: Any) -> None:
    keeper, scheduler = keep(tmp_path)
    scheduler.run_all()
    keeper._runner.child = None
    scheduler.run_all()
    assert not parts.locks.held
    keeper._runner.child = 6
    scheduler.run_all()
    assert parts.locks.held
    keeper.close()
    assert not parts.locks.held


def test_announced_sleep_asks_the_policy_and_begins_once_the_child_is_gone(
    tmp_path: Any, parts: Any
) -> None:
    keeper, scheduler = keep(tmp_path)
    scheduler.run_all()
    parts.sleep.suspending = True
    parts.sleep.on_change(True)
    assert scheduler.decided == 1
    assert keeper._runner.gone_by == pytest.approx(time.monotonic() + 80.0, abs=5.0)
    keeper.release_sleep()
    assert parts.sleep.released == 0, "the child has not written its checkpoint yet"
    keeper._runner.child = None
    keeper.release_sleep()
    assert parts.sleep.released == 1
    parts.sleep.on_change(False)
    assert keeper._runner.gone_by is None


def test_signals_are_saved_every_few_seconds_and_when_the_decision_changes(
    tmp_path: Any, parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: at)
    file = School(tmp_path).signals_file
    keeper, scheduler = keep(tmp_path, on_ac=None)
    scheduler.run_all()
    saved = read_snapshot(file, at)
    assert saved and saved.on_ac.value is None
    for seconds, reason, fresh in (
        (1.0, Reason.IN_WINDOW, False),
        (1.0, Reason.OWNER_ACTIVE, True),
        (4.0, Reason.OWNER_ACTIVE, False),
        (1.0, Reason.OWNER_ACTIVE, True),
    ):
        at += seconds
        keeper.read_signals()
        scheduler.decision = PolicyDecision(False, reason, "")
        scheduler.run_all()
        saved = read_snapshot(file, at)
        assert saved and (saved.on_ac.age_s == 0) is fresh
    at += 60  # the clock alone decides: nothing is read
    scheduler.run_all()
    assert read_snapshot(file, at) is None


def test_morning_notification_waits_until_the_ledger_knows_how_the_night_ended(
    tmp_path: Any, parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a wake-up it may run before the policy notices that the computer slept."""
    sent: list[int] = []
    monkeypatch.setattr(MorningNotification, "send_if_due", lambda *_: sent.append(1))
    _, scheduler = keep(tmp_path)
    scheduler.recorded = False
    scheduler.run_all()
    assert sent == []
    scheduler.recorded = True
    scheduler.run_all()
    assert sent == [1]


def test_descendants_of_the_worker_are_its_own(tmp_path: Any, parts: Any) -> None:
    """A program that starts another, as Python's launcher does in a venv on Windows."""
    code = (
        "import subprocess, sys\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "print(inner.pid, flush=True)\ninput()\ninner.communicate(b'\\n')"
    )
    keeper, _ = keep(tmp_path)
    outer = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert outer.stdout
    inner = int(outer.stdout.readline())
    assert {os.getpid(), outer.pid, inner} <= keeper._own_pids()
    outer.communicate(b"\n")
    assert not {outer.pid, inner} & keeper._own_pids()
