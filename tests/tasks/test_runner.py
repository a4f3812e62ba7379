"""How the end of an attempt is recorded."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from nightschool.config import files
from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import StageName, Timing
from nightschool.tasks import attempt, runner
from nightschool.tasks.attempt import StopRequest


@pytest.mark.parametrize("retried", [False, True])
@pytest.mark.parametrize("seen_by", ["scheduler", "runner"])
def test_cancelled_run_is_recorded_as_cancelled_and_a_retried_one_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retried: bool, seen_by: str
) -> None:
    """The policy then sees nothing to do, which is not why the attempt ended."""
    school = School(tmp_path)
    veto: list[StopRequest] = []

    def supervise(child: object, on: object, should_stop: Callable[[], bool], _: object) -> int:
        with Ledger(school.ledger_file) as ledger:
            ledger.cancel(1)
            if seen_by == "scheduler":
                veto.append(StopRequest(Reason.NOTHING_TO_DO, "no run is queued"))
            assert should_stop()
            if retried:
                ledger.retry(1)
        return 0

    monkeypatch.setattr(attempt, "Child", lambda *_, **__: SimpleNamespace(pid=1))
    monkeypatch.setattr(attempt, "supervise", supervise)
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run({}, StageName.COMPARE, Timing.NOW).id
        ledger.decide(run, True, Reason.RUN_NOW)
        asked = lambda: veto[0] if veto else None  # noqa: E731
        assert not runner.Runner(school, "test", asked).perform(run, StageName.PREP)
        [last] = ledger.attempts_of(run)
        ended = (ledger.run(run).state, last.outcome, last.reason)
    assert ended == (
        ("queued", "stopped", "cancelled, and queued again")
        if retried
        else ("cancelled", "cancelled", "by you")
    )


def test_child_that_cannot_start_on_a_full_disk_is_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(attempt, "Child", full)
    with Ledger(School(tmp_path).ledger_file) as ledger:
        run = ledger.add_run({}, StageName.COMPARE, Timing.NOW).id
        ledger.decide(run, True, Reason.RUN_NOW)
        assert not runner.Runner(School(tmp_path), "test").perform(run, StageName.PREP)
        [last] = ledger.attempts_of(run)
        assert (last.outcome, ledger.run(run).state) == ("disk_full", "queued")


def test_stopping_child_learns_of_an_announced_sleep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    school, deadlines = School(tmp_path), list[float | None]()

    def supervise(
        child: object,
        on_message: object,
        should_stop: Callable[[], bool],
        gone_by: Callable[[], float | None],
    ) -> int:
        deadlines.append(gone_by())
        veto.append(StopRequest(Reason.ON_BATTERY, "it runs on battery"))
        assert should_stop()
        work.gone_by = 7.0
        deadlines.append(gone_by())
        return -9

    monkeypatch.setattr(attempt, "Child", lambda *_, **__: SimpleNamespace(pid=1))
    monkeypatch.setattr(attempt, "supervise", supervise)
    veto: list[StopRequest] = []
    work = runner.Runner(school, "test", lambda: veto[0] if veto else None)
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT).id
        ledger.decide(run, True, Reason.IN_WINDOW)
        work.perform(run, StageName.PREP)
        [last] = ledger.attempts_of(run)
    assert deadlines == [None, 7.0]
    assert last.outcome == "on_battery"


def test_what_a_killed_child_leaves_half_written_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = School(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    remains = school.run_folder(1) / f"plan.json.{ended.pid}-0123abcd.tmp"
    own = school.run_folder(1) / f"plan.json.{os.getpid()}-0123abcd.tmp"

    def supervise(*_: object) -> int:
        for file in (remains, own):
            files.write(file, "half")
        return -9

    monkeypatch.setattr(attempt, "Child", lambda *_, **__: SimpleNamespace(pid=ended.pid))
    monkeypatch.setattr(attempt, "supervise", supervise)
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run({}, StageName.COMPARE, Timing.NOW).id
        ledger.decide(run, True, Reason.RUN_NOW)
    runner.Runner(school, "test").perform(run, StageName.PREP)
    assert own.exists() and not remains.exists()
