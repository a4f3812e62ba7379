"""What the worker looks after beside its runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.jobs import night_watch
from nightschool.jobs.morning_notification import MorningNotification
from nightschool.jobs.night_watch import NightWatch
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
    """Stands in for the word that the computer is about to sleep."""

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

    def sleep(on_change: Any) -> Sleep:
        made.sleep = Sleep(on_change)
        return made.sleep

    monkeypatch.setattr(night_watch, "Awake", lambda: made.locks)
    monkeypatch.setattr(night_watch, "SuspendWatch", sleep)
    monkeypatch.setattr(night_watch, "_EVERY_S", 0.0)
    monkeypatch.setattr(RetrainingCheck, "start_if_due", lambda *_: None)
    monkeypatch.setattr(MorningNotification, "send_if_due", lambda *_: None)
    return made


def watch(
    tmp_path: Any, settings: Any = ALWAYS, child: int | None = 5, on_ac: bool | None = True
) -> tuple[NightWatch, Any]:
    """A night watch over a runner with that child, and a scheduler that lets it work."""
    runner: Any = SimpleNamespace(child=child, gone_by=None)
    school_settings = Settings(night=settings)
    found = NightWatch(School(tmp_path), school_settings, runner, lambda: signals(on_ac=on_ac))
    found.read()
    decision = PolicyDecision(True, Reason.IN_WINDOW, "")
    ticks: list[int] = []
    scheduler = SimpleNamespace(
        night=settings, decision=decision, ticks=ticks, tick_soon=lambda: ticks.append(1),
        tells=lambda: True,
    )  # fmt: skip
    return found, scheduler


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
def test_it_keeps_the_computer_awake_only_while_it_trains_in_a_window_on_mains(
    tmp_path: Any, parts: Any, settings: Any, child: Any, on_ac: Any, run: bool, held: bool
) -> None:
    found, scheduler = watch(tmp_path, settings, child, on_ac)
    scheduler.decision = PolicyDecision(run, Reason.IN_WINDOW if run else Reason.PAUSED, "")
    found.attend(scheduler)
    assert parts.locks.held is held


def test_outside_a_window_it_lets_the_computer_sleep(
    tmp_path: Any, parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night_watch, "window_at", lambda night, now: None)
    found, scheduler = watch(tmp_path)
    found.attend(scheduler)
    assert not parts.locks.held


def test_it_lets_go_when_the_training_ends_and_when_it_is_closed(tmp_path: Any, parts: Any) -> None:
    found, scheduler = watch(tmp_path)
    found.attend(scheduler)
    found._runner.child = None
    found.attend(scheduler)
    assert not parts.locks.held
    found._runner.child = 6
    found.attend(scheduler)
    assert parts.locks.held
    found.close()
    assert not parts.locks.held


def test_before_a_sleep_it_decides_at_once_and_lets_it_come_when_the_child_is_gone(
    tmp_path: Any, parts: Any
) -> None:
    found, scheduler = watch(tmp_path)
    found.attend(scheduler)
    parts.sleep.suspending = True
    parts.sleep.on_change(True)
    assert scheduler.ticks == [1]
    assert found._runner.gone_by == pytest.approx(time.monotonic() + 80.0, abs=5.0)
    found.attend(scheduler)
    assert parts.sleep.released == 0, "the child has not written its checkpoint yet"
    found._runner.child = None
    found.attend(scheduler)
    assert parts.sleep.released == 1
    parts.sleep.on_change(False)
    assert found._runner.gone_by is None


def test_it_leaves_what_it_read_every_few_seconds_and_at_once_where_the_decision_changed(
    tmp_path: Any, parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = 1_000_000.0
    monkeypatch.setattr(night_watch.time, "time", lambda: at)
    file = School(tmp_path).signals_file
    found, scheduler = watch(tmp_path, on_ac=None)
    found.attend(scheduler)
    told = read_snapshot(file, at)
    assert told and told.on_ac.value is None
    for seconds, reason, fresh in (
        (1.0, Reason.IN_WINDOW, False),
        (1.0, Reason.OWNER_ACTIVE, True),
        (4.0, Reason.OWNER_ACTIVE, False),
        (1.0, Reason.OWNER_ACTIVE, True),
    ):
        at += seconds
        found.read()
        scheduler.decision = PolicyDecision(False, reason, "")
        found.attend(scheduler)
        told = read_snapshot(file, at)
        assert told and (told.on_ac.age_s == 0) is fresh
    at += 60  # the clock alone decides: nothing is read
    found.attend(scheduler)
    assert read_snapshot(file, at) is None


def test_a_night_is_told_when_the_ledger_knows_how_it_ended(
    tmp_path: Any, parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Awake again, it looks before the scheduler has seen that the computer slept."""
    told: list[int] = []
    monkeypatch.setattr(MorningNotification, "send_if_due", lambda *_: told.append(1))
    found, scheduler = watch(tmp_path)
    scheduler.tells = lambda: False
    found.attend(scheduler)
    assert told == []
    scheduler.tells = lambda: True
    found.attend(scheduler)
    assert told == [1]


@pytest.mark.parametrize(
    ("owner", "part"),
    [
        (night_watch, "window_at"), (RetrainingCheck, "start_if_due"),
        (MorningNotification, "send_if_due"), (night_watch, "write_snapshot"),
    ],
)  # fmt: skip
def test_what_fails_is_told_once_and_tried_again(
    tmp_path: Any, parts: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any, owner: Any, part: str
) -> None:
    calls = []

    def broken(*_: object) -> None:
        calls.append(1)
        raise ValueError("no time zone")

    monkeypatch.setattr(owner, part, broken)
    monkeypatch.setattr(night_watch, "_AGAIN_S", 0.0)
    found, scheduler = watch(tmp_path)
    for _ in range(3):
        found.read()
        found.attend(scheduler)
    assert len(calls) == 3
    assert caplog.text.count("ValueError: no time zone; it is tried again") == 1


def test_whatever_the_worker_started_is_its_own(tmp_path: Any, parts: Any) -> None:
    """A program that starts another, as Python's launcher does in a venv on Windows."""
    code = (
        "import subprocess, sys\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "print(inner.pid, flush=True)\ninput()\ninner.communicate(b'\\n')"
    )
    found, _ = watch(tmp_path)
    outer = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert outer.stdout
    inner = int(outer.stdout.readline())
    assert {os.getpid(), outer.pid, inner} <= found._pids()
    outer.communicate(b"\n")
    assert not {outer.pid, inner} & found._pids()
