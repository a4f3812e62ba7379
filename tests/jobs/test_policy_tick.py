"""What the scheduler does every second."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from huey.storage import MemoryStorage

from nightschool.config.errors import LedgerError, QueueError
from nightschool.config.paths import School
from nightschool.config.recent_problems import RecentProblems
from nightschool.jobs import policy_tick
from nightschool.jobs.policy_tick import PolicyTick
from nightschool.jobs.signals.signal import Signals
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import Claim, StageName, Timing
from nightschool.reports.night_summary import night_between
from nightschool.tasks.app import StageQueue
from nightschool.tasks.attempt import StopRequest
from nightschool.tasks.stage_huey import StageHuey
from tests.jobs.nights import at, night, signals

NOON, EVENING = at("12:00"), at("23:30")


class Desk:
    """A school, a policy tick with clocks and signals of the test, and its queue."""

    def __init__(self, folder: Path) -> None:
        self.school = School(folder)
        self.now, self.steady = EVENING, 5000.0
        self.signals = signals()
        self.readings = 0
        self.queue = StageQueue(
            self.school, StageHuey("desk", MemoryStorage, "nightschool.tasks.app")
        )
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

    def add_run(self, timing: Timing = Timing.TONIGHT) -> int:
        return self.ledger.add_run({}, StageName.COMPARE, timing).id

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


def test_signals_are_read_only_if_owner_and_clock_allow_work(desk: Desk) -> None:
    assert desk.tick() == "nothing_to_do"
    run = desk.add_run()
    desk.now = NOON
    assert desk.tick() == "outside_window"
    desk.ledger.pause(None)
    assert desk.tick() == "paused"
    assert desk.readings == 0
    desk.ledger.resume()
    desk.ledger.raise_goal(run, StageName.COMPARE, Timing.NOW)
    assert desk.tick() == "run_now"
    assert desk.readings == 1


def test_request_of_another_process_takes_effect_at_the_next_tick(desk: Desk) -> None:
    desk.now = NOON
    assert desk.tick() == "nothing_to_do"
    desk.add_run()
    assert desk.tick() == "outside_window"
    desk.add_run(Timing.NOW)
    assert desk.tick() == "run_now"
    desk.ledger.pause(desk.now + 2.5)
    assert [desk.tick() for _ in range(3)] == ["paused", "paused", "run_now"]


def test_policy_is_not_asked_if_nothing_changed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.now = NOON
    desk.add_run()
    desk.tick()
    desk.tick()
    monkeypatch.setattr(desk.policy, "_decide", None)
    assert desk.tick() == "outside_window"


def test_window_opens_although_nothing_else_happens(desk: Desk) -> None:
    desk.now = at("22:59")
    desk.add_run()
    assert [desk.tick(30.0) for _ in range(3)] == ["outside_window", "in_window", "in_window"]


def test_return_of_the_owner_stops_work_at_the_next_tick(desk: Desk) -> None:
    desk.add_run()
    desk.tick()
    desk.signals = signals(idle_s=0.0)
    assert desk.tick() == "owner_active"
    assert not desk.ledger.control().run_allowed
    assert "idle for 0 s of 10 min" in desk.ledger.decisions(1)[0].detail


def test_work_resumes_after_quiet_minutes(desk: Desk) -> None:
    desk.add_run()
    desk.tick()
    desk.signals = signals(on_ac=False)
    assert desk.tick() == "on_battery"
    desk.signals = signals()
    assert [desk.tick(s) for s in (1, 59, 59, 59, 59, 59, 5)] == ["quiet_time"] * 6 + ["in_window"]


def test_busy_device_is_retried_after_a_while(desk: Desk) -> None:
    run = desk.add_run()
    desk.tick()
    claim = desk.ledger.claim(run, "worker")
    assert claim
    desk.messages()
    desk.ledger.interrupt(claim, Reason.DEVICE_BUSY, "another nightschool process works on cuda")
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
def test_sleep_or_a_clock_change_stops_the_child(desk: Desk, steady: float, wall: float) -> None:
    desk.now = at("00:30", 25)
    run = desk.add_run()
    desk.tick()
    claim = desk.ledger.claim(run, "worker")
    assert claim
    assert desk.tick() == "in_window"
    assert desk.tick(steady, wall) == "woke"
    assert desk.tick() == "woke", "the child is still there"
    desk.ledger.interrupt(claim, Reason.OUTSIDE_WINDOW, "woke")
    assert desk.tick() == "quiet_time"
    assert [desk.tick(50) for _ in range(7)][-1] == "in_window"


def summary_of_night(desk: Desk) -> dict[str, int]:
    """The minutes of work (at "") and of each reason of a night, as the morning notification has them."""
    summary = night_between(desk.ledger, at("23:00"), at("07:00", 25))
    assert all(one.times == 1 for one in summary.interruptions)
    return {"": round(summary.worked_s / 60)} | {
        one.reason: round(one.seconds / 60) for one in summary.interruptions
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
def test_work_ends_when_a_sleep_begins(desk: Desk, process_ends: str) -> None:
    claim = work_for_ten_minutes(desk)
    desk.now += 8 * 3600.0
    if process_ends == "before it is seen":
        desk.ledger.interrupt(claim, Outcome.STOPPED, "nothing was decided for long")
    desk.tick(1.0)
    if process_ends == "after":
        desk.now += 2.0
        desk.ledger.interrupt(claim, Reason.WOKE, "the computer slept")
    assert summary_of_night(desk) == {"": 10, "woke": 381}


def test_sleep_does_not_count_as_hours_of_work(desk: Desk) -> None:
    claim = work_for_ten_minutes(desk)
    desk.policy.night = night(max_hours=3)
    assert desk.tick(1.0, 5 * 3600.0) == "woke"
    desk.ledger.interrupt(claim, Reason.WOKE, "the computer slept")
    assert [desk.tick(50) for _ in range(8)][-1] == "in_window"


def test_process_that_a_sleep_broke_worked_until_the_sleep(desk: Desk) -> None:
    claim = work_for_ten_minutes(desk)
    desk.now += 8 * 3600.0
    desk.ledger.fail(claim, "CUDA error")
    desk.tick(1.0)
    assert summary_of_night(desk) == {"": 10, "woke": 381}


def test_announced_sleep_and_wake_up_are_one_sleep(desk: Desk) -> None:
    claim = work_for_ten_minutes(desk)
    desk.ledger.decide(claim.run, False, Reason.SUSPENDING)
    desk.ledger.interrupt(claim, Reason.SUSPENDING, "the computer is about to sleep")
    desk.tick(1.0, 8 * 3600.0)
    assert summary_of_night(desk) == {"": 10, "woke": 381}


def test_clock_set_back_keeps_past_attempts(desk: Desk) -> None:
    first = work_for_ten_minutes(desk)
    desk.ledger.interrupt(first, Outcome.CHUNK_DONE, "")
    was = desk.ledger.attempts_of(first.run)
    second = desk.ledger.claim(first.run, "worker")
    desk.tick(1.0)
    desk.tick(1.0, -5 * 60.0)
    before, now = desk.ledger.attempts_of(first.run)
    assert [before] == was
    assert second and now.ended == now.started


def test_pause_that_ends_during_a_sleep_counts_until_its_end(desk: Desk) -> None:
    desk.add_run()
    desk.tick()
    desk.ledger.pause(at("01:30", 25))
    assert desk.tick() == "paused"
    assert desk.tick(1.0, 9 * 3600.0) == "outside_window"
    assert summary_of_night(desk) == {"": 0, "paused": 120, "woke": 330}


@pytest.mark.parametrize(
    "reason", [Reason.OWNER_ACTIVE, Reason.SUSPENDING, Reason.ON_BATTERY, Reason.DEVICE_BUSY]
)
def test_night_of_sleep_has_sleep_as_its_reason(desk: Desk, reason: Reason) -> None:
    run = desk.add_run()
    desk.tick()
    desk.ledger.decide(run, False, reason)
    assert desk.tick(1.0, 9 * 3600.0) == "outside_window"
    held_up = night_between(desk.ledger, at("23:00"), at("07:00", 25)).interruptions
    assert [one.reason for one in held_up] == ["woke"]
    assert [one.reason for one in desk.ledger.decisions(2)] == ["outside_window", "woke"]


@pytest.mark.parametrize("reason", [Reason.PAUSED, Reason.HOURS_USED, Reason.FINISH_BY])
def test_reason_that_applies_during_sleep_is_kept(desk: Desk, reason: Reason) -> None:
    run = desk.add_run()
    desk.tick()
    desk.ledger.decide(run, False, reason)
    desk.tick(1.0, 9 * 3600.0)
    assert "woke" not in {one.reason for one in desk.ledger.decisions(9)}


def test_run_now_resumes_right_after_a_sleep(desk: Desk) -> None:
    desk.add_run(Timing.NOW)
    desk.tick()
    assert desk.tick(1.0, 3600.0) == "woke"
    assert desk.tick() == "run_now"


def test_sleep_is_recorded_once_the_ledger_is_back(desk: Desk) -> None:
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


def test_new_time_zone_takes_effect_within_a_minute(
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


def test_small_clock_correction_is_not_a_sleep(desk: Desk) -> None:
    desk.add_run()
    desk.tick()
    assert desk.tick(1.0, 9.0) == "in_window"
    assert desk.tick(40.0) == "in_window"


def test_changed_settings_take_effect_at_the_next_tick(
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


def test_ledger_out_of_reach_costs_one_tick(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.add_run()
    desk.tick()
    desk.signals = signals(on_ac=False)
    ledger = desk.policy._ledger
    assert ledger
    ledger.close()
    assert desk.tick() == "in_window", "the ledger could not be written"
    assert "closed database" in caplog.text
    assert desk.tick() == "on_battery"


def test_failing_sensors_count_as_unknown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.add_run()
    desk.tick()

    def broken() -> Signals:
        raise RuntimeError("lost the bus")

    monkeypatch.setattr(desk.policy, "_read_signals", broken)
    assert desk.tick() == "power_unknown"
    assert "(none: RuntimeError: lost the bus)" in desk.ledger.decisions(1)[0].detail


def test_lasting_problem_is_logged_once(
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
    assert caplog.text.count("read-only") == 1, "it came back at once"
    desk.policy._problems = RecentProblems()
    desk.tick()
    assert caplog.text.count("read-only") == 2


def test_decision_is_known_although_the_ledger_cannot_be_written(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.add_run()

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Ledger, "decide", full)
    desk.signals = signals(disk_free=0.0)
    desk.tick()
    assert desk.policy.decision and desk.policy.decision.reason is Reason.DISK_FULL


def test_hanging_scheduler_vetoes_all_work(desk: Desk) -> None:
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


def test_ledger_held_for_long_vetoes_all_work(desk: Desk) -> None:
    desk.add_run()
    desk.tick()

    def held() -> Ledger:
        raise LedgerError("held by another process")

    desk.policy.close()
    desk.policy._open = held
    for _ in range(16):
        desk.tick()
    assert desk.policy.veto()


def test_unchanged_decision_does_not_expire(desk: Desk) -> None:
    desk.now = NOON
    desk.add_run(Timing.NOW)
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
        assert [desk.tick() for _ in range(9)] == ["in_window", *["queue_down"] * 8]
        assert caplog.text.count("the queue cannot be used") == 1
    assert desk.ledger.decisions(1)[0].detail == "the queue cannot be used (refused)"
    assert desk.tick(policy_tick.QUEUE_RETRY_S) == "in_window"
    assert desk.messages() == [("prep", run)]


def test_queue_whose_messages_cannot_be_read_is_no_reason_to_work(desk: Desk) -> None:
    desk.queue.huey.problem = "the queue cannot be used (no permission)"
    run = desk.add_run()
    assert desk.tick() == "queue_down"
    desk.queue.huey.problem = ""
    assert desk.tick() == "in_window"
    assert desk.ledger.claim(run, "worker")
    desk.queue.huey.problem = "the queue cannot be used (gone)"
    assert desk.tick() == "in_window", "a child at work needs no queue"


def test_failed_attempt_is_retried_after_a_delay_that_a_restart_keeps(desk: Desk) -> None:
    run = desk.add_run(Timing.NOW)
    desk.tick()
    for seconds in (60, 180):
        claim = desk.ledger.claim(run, "worker")
        assert claim
        desk.messages()
        desk.ledger.interrupt(claim, Outcome.ERROR, "RuntimeError: CUDA error: unknown error")
        assert desk.tick() == "after_error"
        assert "prep failed (RuntimeError: CUDA error" in desk.ledger.decisions(1)[0].detail
        desk.policy = PolicyTick(
            desk.school, desk.queue, night(), desk._read, lambda: desk.now, lambda: desk.steady,
            lambda: Ledger(desk.school.ledger_file, lambda: desk.now),
        )  # fmt: skip
        assert [desk.tick(s) for s in (seconds - 2, 2)] == ["after_error", "run_now"]
        assert desk.messages() == [("prep", run)]


def test_another_run_works_while_one_waits_and_then_the_first_again(desk: Desk) -> None:
    first, second = desk.add_run(Timing.NOW), desk.add_run()
    desk.now = NOON
    assert desk.tick() == "run_now"
    claim = desk.ledger.claim(first, "worker")
    assert claim
    desk.ledger.interrupt(claim, Outcome.ERROR, "a bug")
    assert desk.tick() == "outside_window"
    assert desk.ledger.control().decision_run == second
    assert [desk.tick(s) for s in (30, 31, 1)] == ["outside_window", "run_now", "run_now"]
    assert desk.ledger.control().decision_run == first
