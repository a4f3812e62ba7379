"""What the scheduler does every second."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from huey.storage import MemoryStorage

from nightschool.config.errors import LedgerError, QueueError
from nightschool.config.paths import School
from nightschool.jobs import policy_tick
from nightschool.jobs.policy_tick import PolicyTick
from nightschool.jobs.signals.signal import Signals
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import Claim
from nightschool.reports.night_summary import night_between
from nightschool.tasks.app import StageHuey, StageQueue
from nightschool.tasks.attempt import StopRequest
from tests.jobs.nights import at, night, signals

NOON, EVENING = at("12:00"), at("23:30")


class Desk:
    """A school, a watch with clocks and signals of ours, and what it enqueued."""

    def __init__(self, folder: Path) -> None:
        self.school = School(folder)
        self.now, self.steady = EVENING, 5000.0
        self.signals = signals()
        self.readings = 0
        self.queue = StageQueue(self.school, StageHuey("desk", MemoryStorage))
        self.ledger = Ledger(self.school.ledger_file, lambda: self.now)
        self.policy = PolicyTick(
            self.school, self.queue, night(), self._read,
            lambda: self.now, lambda: self.steady,
            lambda: Ledger(self.school.ledger_file, lambda: self.now),
        )  # fmt: skip

    def _read(self) -> Signals:
        self.readings += 1
        return self.signals

    def messages(self) -> list[tuple[str, int]]:
        """Take all messages out of the queue: task and run."""
        taken = list(iter(self.queue.huey.dequeue, None))
        return [(task.name, *task.args) for task in taken]

    def add_run(self, timing: Any = "tonight") -> int:
        return self.ledger.add_run({}, "compare", timing).id

    def tick(self, seconds: float = 1.0, wall: float | None = None) -> str:
        """Let time pass, tick, and return the reason that the ledger holds."""
        self.steady += seconds
        self.now += seconds if wall is None else wall
        self.policy.tick()
        return self.ledger.control().decision_reason


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.policy.close()
    desk.ledger.close()


def test_run_that_may_work_is_enqueued_once_and_again_if_its_message_is_lost(desk: Desk) -> None:
    run = desk.add_run()
    assert desk.tick() == "in_window"
    assert desk.ledger.control().run_allowed
    desk.tick()
    assert desk.messages() == [("prep", run)], "once, however many ticks come"
    desk.tick()
    assert desk.messages() == [("prep", run)], "again, since the message was lost"
    assert desk.ledger.claim(run, "worker")
    desk.tick()
    assert desk.messages() == []


def test_signals_are_read_only_where_a_run_could_work(desk: Desk) -> None:
    assert desk.tick() == "nothing_to_do"
    run = desk.add_run()
    desk.now = NOON
    assert desk.tick() == "outside_window"
    desk.ledger.pause(None)
    assert desk.tick() == "paused"
    assert desk.readings == 0
    desk.ledger.resume()
    desk.ledger.raise_goal(run, "compare", "now")
    assert desk.tick() == "run_now"
    assert desk.readings == 1


def test_what_another_process_asks_for_is_seen_at_the_next_tick(desk: Desk) -> None:
    desk.now = NOON
    assert desk.tick() == "nothing_to_do"
    desk.add_run()
    assert desk.tick() == "outside_window"
    desk.add_run("now")
    assert desk.tick() == "run_now"
    desk.ledger.pause(desk.now + 2.5)
    assert [desk.tick() for _ in range(3)] == ["paused", "paused", "run_now"]


def test_a_tick_that_finds_nothing_new_asks_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.now = NOON
    desk.add_run()
    desk.tick()
    desk.tick()
    monkeypatch.setattr(desk.policy, "_decide", None)
    assert desk.tick() == "outside_window"


def test_the_window_opens_without_anything_else_happening(desk: Desk) -> None:
    desk.now = at("22:59")
    desk.add_run()
    assert [desk.tick(30.0) for _ in range(3)] == ["outside_window", "in_window", "in_window"]


def test_an_owner_who_returns_stops_the_work_at_the_next_tick(desk: Desk) -> None:
    desk.add_run()
    desk.tick()
    desk.signals = signals(idle_s=0.0)
    assert desk.tick() == "owner_active"
    assert not desk.ledger.control().run_allowed
    assert "idle for 0 s of 10 min" in desk.ledger.decisions(1)[0].detail


def test_what_stopped_it_has_to_be_over_before_it_goes_on(desk: Desk) -> None:
    desk.add_run()
    desk.tick()
    desk.signals = signals(on_ac=False)
    assert desk.tick() == "on_battery"
    desk.signals = signals()
    assert [desk.tick(s) for s in (1, 59, 59, 59, 59, 59, 5)] == ["quiet_time"] * 6 + ["in_window"]


def test_a_device_in_use_is_not_tried_again_at_once(desk: Desk) -> None:
    run = desk.add_run()
    desk.tick()
    claim = desk.ledger.claim(run, "worker")
    assert claim
    desk.messages()
    desk.ledger.interrupt(claim, "device_busy", "another nightschool process works on cuda")
    each = [desk.tick(s) for s in (1, *[50] * 5, 48, 2)]
    assert each == ["device_busy"] * 7 + ["in_window"]
    assert desk.messages() == [("prep", run)]


@pytest.mark.parametrize(
    ("steady", "wall"),
    [
        (1.0, 3600.0),  # a sleep, where the monotonic clock stands still
        (3600.0, 3600.0),  # a sleep on Windows
        (1.0, 86400.0),  # the clock was set
        (1.0, -86400.0),
    ],
)
def test_after_a_sleep_or_a_clock_that_was_set_the_child_is_ended(
    desk: Desk, steady: float, wall: float
) -> None:
    desk.now = at("00:30", 25)
    run = desk.add_run()
    desk.tick()
    claim = desk.ledger.claim(run, "worker")
    assert claim
    assert desk.tick() == "in_window"
    assert desk.tick(steady, wall) == "woke"
    assert desk.tick() == "woke", "the child is still there"
    desk.ledger.interrupt(claim, "outside_window", "woke")
    assert desk.tick() == "quiet_time"
    assert [desk.tick(50) for _ in range(7)][-1] == "in_window"


def told_of_night(desk: Desk) -> dict[str, float]:
    """The minutes of work (at "") and of each reason of a night, as they are told in the morning."""
    told = night_between(desk.ledger, at("23:00"), at("07:00", 25))
    assert all(one.times == 1 for one in told.aside)
    return {"": round(told.worked_s / 60)} | {
        one.reason: round(one.seconds / 60) for one in told.aside
    }


def work_for_ten_minutes(desk: Desk) -> Claim:
    desk.now = at("00:29", 25)
    run = desk.add_run()
    desk.tick()
    claim = desk.ledger.claim(run, "worker")
    assert claim
    assert {desk.tick(50.0) for _ in range(12)} == {"in_window"}
    return claim


@pytest.mark.parametrize("process_ends", ["before it is seen", "after", "not yet"])
def test_work_ends_where_a_sleep_begins(desk: Desk, process_ends: str) -> None:
    claim = work_for_ten_minutes(desk)
    desk.now += 8 * 3600.0
    if process_ends == "before it is seen":
        desk.ledger.interrupt(claim, "stopped", "nothing was decided for long")
    desk.tick(1.0)
    if process_ends == "after":
        desk.now += 2.0
        desk.ledger.interrupt(claim, "woke", "the computer slept")
    assert told_of_night(desk) == {"": 10, "woke": 381}


def test_a_sleep_counts_not_among_the_hours_of_a_night(desk: Desk) -> None:
    claim = work_for_ten_minutes(desk)
    desk.policy.night = night(max_hours=3)
    assert desk.tick(1.0, 5 * 3600.0) == "woke"
    desk.ledger.interrupt(claim, "woke", "the computer slept")
    assert [desk.tick(50) for _ in range(8)][-1] == "in_window"


def test_a_process_that_a_sleep_has_broken_worked_until_the_sleep(desk: Desk) -> None:
    claim = work_for_ten_minutes(desk)
    desk.now += 8 * 3600.0
    desk.ledger.fail(claim, "CUDA error")
    desk.tick(1.0)
    assert told_of_night(desk) == {"": 10, "woke": 381}


def test_an_announced_sleep_is_one(desk: Desk) -> None:
    claim = work_for_ten_minutes(desk)
    desk.ledger.decide(claim.run, False, "suspending")
    desk.ledger.interrupt(claim, "suspending", "the computer is about to sleep")
    desk.tick(1.0, 8 * 3600.0)
    assert told_of_night(desk) == {"": 10, "woke": 381}


def test_a_clock_that_is_set_back_leaves_what_was_done_before(desk: Desk) -> None:
    first = work_for_ten_minutes(desk)
    desk.ledger.interrupt(first, "chunk_done", "")
    was = desk.ledger.attempts_of(first.run)
    second = desk.ledger.claim(first.run, "worker")
    desk.tick(1.0)
    desk.tick(1.0, -5 * 60.0)
    before, now = desk.ledger.attempts_of(first.run)
    assert [before] == was
    assert second and now.ended == now.started


def test_a_pause_that_ends_in_a_sleep_is_told_until_its_end(desk: Desk) -> None:
    desk.add_run()
    desk.tick()
    desk.ledger.pause(at("01:30", 25))
    assert desk.tick() == "paused"
    assert desk.tick(1.0, 9 * 3600.0) == "outside_window"
    assert told_of_night(desk) == {"": 0, "paused": 120, "woke": 330}


@pytest.mark.parametrize("reason", ["owner_active", "suspending", "on_battery", "device_busy"])
def test_a_night_that_was_slept_through_is_told_as_that(desk: Desk, reason: str) -> None:
    run = desk.add_run()
    desk.tick()
    desk.ledger.decide(run, False, reason)
    assert desk.tick(1.0, 9 * 3600.0) == "outside_window"
    held_up = night_between(desk.ledger, at("23:00"), at("07:00", 25)).aside
    assert [one.reason for one in held_up] == ["woke"]
    assert [one.reason for one in desk.ledger.decisions(2)] == ["outside_window", "woke"]


@pytest.mark.parametrize("reason", ["paused", "hours_used", "finish_by"])
def test_what_holds_whether_or_not_one_sleeps_stays_the_reason(desk: Desk, reason: str) -> None:
    run = desk.add_run()
    desk.tick()
    desk.ledger.decide(run, False, reason)
    desk.tick(1.0, 9 * 3600.0)
    assert "woke" not in {one.reason for one in desk.ledger.decisions(9)}


def test_a_run_that_was_asked_for_now_goes_on_at_once_after_a_sleep(desk: Desk) -> None:
    desk.add_run("now")
    desk.tick()
    assert desk.tick(1.0, 3600.0) == "woke"
    assert desk.tick() == "run_now"


def test_a_sleep_is_not_forgotten_while_the_ledger_is_out_of_reach(desk: Desk) -> None:
    """A network drive comes back some seconds after the computer woke."""
    run = desk.add_run()
    desk.tick()
    assert desk.ledger.claim(run, "worker")
    assert desk.tick() == "in_window"
    opens = desk.policy._open

    def gone() -> Ledger:
        raise LedgerError("gone")

    desk.policy.close()
    desk.policy._open = gone
    desk.tick(1.0, 3600.0)
    desk.policy._open = opens
    assert desk.tick() == "woke"


def test_a_computer_that_travels_has_its_night_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = {"now": ZoneInfo("Europe/Berlin")}
    monkeypatch.setattr("nightschool.config.night.zone_of", lambda night: zone["now"])
    desk.now = datetime(2026, 11, 24, 16, tzinfo=UTC).timestamp()
    desk.add_run()
    assert [desk.tick(), desk.tick()] == ["outside_window"] * 2
    zone["now"] = ZoneInfo("Asia/Tokyo")
    desk.tick(59)
    assert desk.tick(2) == "in_window"


def test_a_clock_that_is_corrected_by_a_little_wakes_nobody(desk: Desk) -> None:
    desk.add_run()
    desk.tick()
    assert desk.tick(1.0, 9.0) == "in_window"
    assert desk.tick(40.0) == "in_window"


def test_settings_that_change_are_in_force_at_the_next_tick(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.add_run()
    desk.tick()
    file = desk.school.settings_file
    file.write_text('[night]\ntimezone = "Europe/Berlin"\nend = "23:15"\n', "utf-8")
    assert desk.tick() == "outside_window"
    file.write_text('[night]\nend = "7"\n', "utf-8")
    assert desk.tick() == "outside_window"
    assert "`night.end`" in caplog.text and "stay in force" in caplog.text
    file.write_text('[night]\ntimezone = "Europe/Berlin"\n', "utf-8")
    assert desk.tick() == "in_window"


def test_a_ledger_out_of_reach_costs_a_tick(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.add_run()
    desk.tick()
    desk.signals = signals(on_ac=False)
    ledger = desk.policy._ledger
    assert ledger
    ledger.close()
    assert desk.tick() == "in_window", "it could not be written"
    assert "closed database" in caplog.text
    assert desk.tick() == "on_battery"


def test_sensors_that_fail_are_no_reason_to_go_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.add_run()
    desk.tick()

    def broken() -> Signals:
        raise RuntimeError("lost the bus")

    monkeypatch.setattr(desk.policy, "_read_signals", broken)
    assert desk.tick() == "power_unknown"
    assert "(none: RuntimeError: lost the bus)" in desk.ledger.decisions(1)[0].detail


def test_trouble_that_lasts_is_told_once(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise OSError("read-only")

    desk.add_run()
    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "next_run", locked)
        for _ in range(3):
            desk.tick()
    assert caplog.text.count("read-only") == 1
    assert desk.tick() == "in_window"
    monkeypatch.setattr(Ledger, "decide", locked)
    desk.signals = signals(on_ac=False)
    desk.tick()
    assert caplog.text.count("read-only") == 2


def test_the_decision_is_known_where_the_ledger_cannot_take_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.add_run()

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Ledger, "decide", full)
    desk.signals = signals(disk_free=0.0)
    desk.tick()
    assert desk.policy.decision and desk.policy.decision.reason is Reason.DISK_FULL


def test_a_scheduler_that_hangs_lets_nothing_run(desk: Desk) -> None:
    assert desk.policy.veto() is None, "a new worker"
    desk.add_run()
    desk.tick()
    desk.steady += 14
    assert desk.policy.veto() is None
    desk.steady += 2
    desk.now += 16
    veto = desk.policy.veto()
    assert veto and veto.outcome is Outcome.STOPPED
    assert "there was no decision for 16 s" in veto.detail
    desk.tick()
    assert desk.policy.veto() is None
    desk.signals = signals(on_ac=False)
    desk.tick()
    assert desk.policy.veto() == StopRequest(
        Reason.ON_BATTERY, "the computer runs on battery (80 %)"
    )


def test_a_ledger_that_is_held_lets_nothing_run_though_ticks_come(desk: Desk) -> None:
    desk.add_run()
    desk.tick()

    def held() -> Ledger:
        raise LedgerError("held by another process")

    desk.policy.close()
    desk.policy._open = held
    for _ in range(16):
        desk.tick()
    assert desk.policy.veto()


def test_a_calm_hour_is_no_silence(desk: Desk) -> None:
    desk.now = NOON
    desk.add_run("now")
    for _ in range(30):
        desk.tick()
    assert desk.policy.veto() is None


def test_bug_stops_work_and_is_recorded_with_its_traceback_in_the_log(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk.add_run()
    desk.tick()

    def broken(*_: object) -> None:
        raise TypeError("unsupported operand\nand more")

    desk.signals = signals(idle_s=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(policy_tick, "decide", broken)
        assert [desk.tick() for _ in range(20)] == ["bug"] * 20
        veto = desk.policy.veto()
        assert veto == StopRequest(Reason.BUG, "TypeError: unsupported operand")
        assert desk.ledger.decisions(1)[0].detail == "TypeError: unsupported operand"
        assert not desk.ledger.control().run_allowed
    assert caplog.text.count("Traceback") == 1
    assert desk.tick() == "owner_active"


def test_queue_out_of_reach_is_reported_and_the_decision_still_recorded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def down(*_: object) -> None:
        raise QueueError("the queue cannot be used (refused)")

    with monkeypatch.context() as patch:
        patch.setattr(desk.queue, "enqueue", down)
        run = desk.add_run()
        assert [desk.tick() for _ in range(3)] == ["in_window"] * 3
        assert caplog.text.count("the queue cannot be used") == 1
    desk.tick()
    assert desk.messages() == [("prep", run)]
