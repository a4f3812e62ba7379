"""`why`: the decision, its reasons, and every signal."""

from __future__ import annotations

import json
import re
import time
from dataclasses import fields
from datetime import datetime
from typing import Any

import pytest

from nightschool.jobs import forecast, presence
from nightschool.jobs.note_check import NoteCheck, write_note_check
from nightschool.jobs.signals.signal import Signals
from nightschool.jobs.signals.snapshot import write_snapshot
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from tests.cli.conftest import invoke
from tests.conftest import MakeSchool
from tests.jobs.nights import ALL_DAY, signals


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Signals]:
    """The signals that the command reads; a test replaces those it needs."""
    found = {"now": signals()}
    monkeypatch.setattr(forecast, "read_signals", lambda school, night: found["now"])
    return found


def test_json_keeps_its_keys(make_school: MakeSchool, seen: dict[str, Signals]) -> None:
    school = make_school(night={"timezone": "Asia/Tokyo"})
    invoke(school, "run")
    seen["now"] = signals(on_ac=None)
    output = json.loads(invoke(school, "why", "--json").output)
    assert output["run"] is False
    assert output["reason"] in ("outside_window", "power_unknown")
    assert datetime.fromisoformat(output["next_window"]).strftime("%H:%M %z") == "23:00 +0900"
    names = [signal["name"] for signal in output["signals"]]
    assert names == [field.name.removesuffix("_s") for field in fields(Signals)]
    assert {"name", "value", "source", "age_s"} <= set(output["signals"][0])
    power = next(signal for signal in output["signals"] if signal["name"] == "on_ac")
    assert power["value"] is None and power["remark"] == "broken"
    assert "power_unknown" in [finding["reason"] for finding in output["against"]]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process is not ours to set")
def test_a_time_zone_other_than_the_computers_is_shown(
    make_school: MakeSchool, seen: dict[str, Signals], monkeypatch: pytest.MonkeyPatch
) -> None:
    school = make_school(night={"timezone": "Asia/Tokyo"})
    for zone, named in (("Europe/Berlin", " Asia/Tokyo"), ("Asia/Tokyo", "")):
        with monkeypatch.context() as patched:
            patched.setenv("TZ", zone)
            time.tzset()
            window = next(
                line for line in invoke(school, "why").output.splitlines() if "next window" in line
            )
            paused = invoke(school, "pause", "--for", "2h").output.strip()
        time.tzset()
        assert window.endswith(f"23:00{named} to 07:00")
        assert re.fullmatch(rf"paused until .*\d\d:\d\d{named}", paused)


def test_each_reason_comes_with_a_remedy_and_the_setting_that_overrides_it(
    make_school: MakeSchool, seen: dict[str, Signals]
) -> None:
    school = make_school(night=ALL_DAY)
    invoke(school, "run")
    seen["now"] = signals(idle_s=60.0, on_ac=False)
    output = invoke(school, "why").output
    assert "with a worker, it waits: the computer runs on battery (80 %)" in output
    assert "what to do: plug it in, or set night.on_battery = true" in output
    assert "also: you are active: idle for 1 min of 10 min" in output
    assert "no worker is running" in output
    assert "next window" in output
    row = next(line for line in output.splitlines() if line.startswith("idle"))
    assert row.split() == ["idle", "1", "min", "test", "now"]


def test_a_run_now_lists_the_rules_that_it_overrides(
    make_school: MakeSchool, seen: dict[str, Signals]
) -> None:
    school = make_school(night=ALL_DAY)
    seen["now"] = signals(idle_s=60.0, presenting="the film")
    output = invoke(school, "run", "--now", "--detach").output
    assert "run 1 starts now" in output
    assert "overridden: you are active: idle for 1 min of 10 min" in output
    assert "overridden: the film keeps the screen on" in output
    why = invoke(school, "why").output
    assert "run 1 waits: no worker is running" in why
    assert "with a worker, it works: you requested work now" in why
    output = json.loads(invoke(school, "why", "--json").output)
    assert (output["run"], output["reason"], output["worker"]) == (False, "no_worker", False)
    assert "overridden: the film keeps the screen on" in why


def test_a_run_now_still_waits_for_free_disk_space(
    make_school: MakeSchool, seen: dict[str, Signals]
) -> None:
    school = make_school()
    seen["now"] = signals(disk_free=1e9)
    output = invoke(school, "run", "--now", "--detach").output
    assert "run 1 waits: 1.0 GB of disk are free" in output and "free some space" in output


def test_without_a_run_there_is_nothing_to_do(
    make_school: MakeSchool, seen: dict[str, Signals]
) -> None:
    school = make_school()
    assert "nothing to do: no run is queued" in invoke(school, "why").output
    invoke(school, "pause")
    output = invoke(school, "why").output
    assert "nothing to do: no run is queued" in output
    assert "also: paused until `nightschool resume`" in output


def test_a_failed_newest_run_is_explained_if_nothing_is_queued(
    make_school: MakeSchool, seen: dict[str, Signals]
) -> None:
    school = make_school()
    invoke(school, "run")
    with Ledger(school.ledger_file) as ledger:
        claim = ledger.claim(1, "w")
        assert claim
        ledger.fail(claim, "prep: the base is gone")
    output = invoke(school, "why").output
    assert "run 1 failed: prep: the base is gone" in output and "`nightschool retry 1`" in output
    invoke(school, "run")
    assert "retry" not in invoke(school, "why").output


def test_the_workers_signals_are_shown_with_their_age(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the worker knows of an imminent sleep and of idle time on Wayland before its own start."""
    school = make_school(night=ALL_DAY)
    invoke(school, "run")
    write_snapshot(school.signals_file, signals(idle_s=4321.0), time.time() - 3)

    def output() -> dict[str, Any]:
        rows = json.loads(invoke(school, "why", "--json").output)["signals"]
        return {row["name"]: row for row in rows}

    assert output()["suspending"]["value"] is None, "no worker runs"
    monkeypatch.setattr(forecast, "worker_alive", lambda school: 7)
    idle = output()["idle"]
    assert (idle["value"], idle["source"]) == (4321.0, "test")
    assert 3 <= idle["age_s"] < 10
    assert output()["suspending"]["value"] is False
    assert "run 1 works" in invoke(school, "why").output
    write_snapshot(school.signals_file, signals(), time.time() - 60)
    assert output()["suspending"]["value"] is None, "the worker's signals are too old"


def test_a_failed_retraining_check_is_reported(
    make_school: MakeSchool, seen: dict[str, Signals]
) -> None:
    school = make_school()
    invoke(school, "run")
    seen_at = time.mktime((2026, 11, 24, 22, 30, 0, 0, 0, -1))
    write_note_check(school.seen_file, NoteCheck(seen_at, problem="there are no notes at /gone"))
    line = "retraining check of Tue 24 Nov 22:30: there are no notes at /gone"
    assert line in invoke(school, "why").output


def test_a_bug_in_the_scheduler_is_shown_while_its_worker_runs(
    make_school: MakeSchool, seen: dict[str, Signals], monkeypatch: pytest.MonkeyPatch
) -> None:
    school = make_school(night=ALL_DAY)
    invoke(school, "run")
    with Ledger(school.ledger_file) as ledger:
        ledger.decide(1, False, Reason.BUG, "TypeError: unsupported operand")
    assert "TypeError" not in invoke(school, "why").output, "no worker runs"
    for module in (forecast, presence):
        monkeypatch.setattr(module, "worker_alive", lambda school: 7)
    what = "a bug in nightschool stops the worker's scheduler"
    assert f"{what}: TypeError: unsupported operand" in invoke(school, "why").output
    output = json.loads(invoke(school, "why", "--json").output)
    assert (output["run"], output["reason"]) == (False, "bug")
    assert f"{what} (TypeError: unsupported operand)" in invoke(school, "status").output
