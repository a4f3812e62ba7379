"""`why`: the decision, its grounds, and every signal."""

from __future__ import annotations

import json
import re
import time
from dataclasses import fields
from datetime import datetime
from typing import Any

import pytest

from nightschool.jobs import forecast
from nightschool.jobs.note_check import Seen, write_seen
from nightschool.jobs.signals.signal import Signals
from nightschool.jobs.signals.snapshot import leave
from nightschool.ledger.ledger import Ledger
from tests.cli.test_commands import invoke
from tests.conftest import MakeSchool
from tests.jobs.nights import ALL_DAY, signals


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Signals]:
    """What the computer seems to do; all is calm but for what a test puts there."""
    found = {"now": signals()}
    monkeypatch.setattr(forecast, "read_signals", lambda school, night: found["now"])
    return found


def test_json_keeps_its_contract(make_school: MakeSchool, seen: dict[str, Signals]) -> None:
    school = make_school(night={"timezone": "Asia/Tokyo"})
    invoke(school, "run")
    seen["now"] = signals(on_ac=None)
    told = json.loads(invoke(school, "why", "--json").output)
    assert told["run"] is False
    assert told["reason"] in ("outside_window", "power_unknown")
    assert datetime.fromisoformat(told["next_window"]).strftime("%H:%M %z") == "23:00 +0900"
    names = [signal["name"] for signal in told["signals"]]
    assert names == [field.name.removesuffix("_s") for field in fields(Signals)]
    assert {"name", "value", "source", "age_s"} <= set(told["signals"][0])
    power = next(signal for signal in told["signals"] if signal["name"] == "on_ac")
    assert power["value"] is None and power["remark"] == "broken"
    assert "power_unknown" in [finding["reason"] for finding in told["against"]]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process is not ours to set")
def test_another_time_zone_than_the_computers_is_named(
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


def test_it_says_what_is_so_what_would_have_to_change_and_with_which_setting(
    make_school: MakeSchool, seen: dict[str, Signals]
) -> None:
    school = make_school(night=ALL_DAY)
    invoke(school, "run")
    seen["now"] = signals(idle_s=60.0, on_ac=False)
    told = invoke(school, "why").output
    assert "with one it waits: the computer runs on battery (80 %)" in told
    assert "what would have to change: plug it in, or set night.on_battery = true" in told
    assert "also: you are active: idle for 1 min of 10 min" in told
    assert "no worker is running" in told
    assert "next window" in told
    row = next(line for line in told.splitlines() if line.startswith("idle"))
    assert row.split() == ["idle", "1", "min", "test", "now"]


def test_a_run_now_tells_which_rules_it_passes_over(
    make_school: MakeSchool, seen: dict[str, Signals]
) -> None:
    school = make_school(night=ALL_DAY)
    seen["now"] = signals(idle_s=60.0, presenting="the film")
    told = invoke(school, "run", "--now", "--detach").output
    assert "run 1 works at once" in told
    assert "although you are active: idle for 1 min of 10 min" in told
    assert "although the film keeps the screen on" in told
    why = invoke(school, "why").output
    assert "run 1 does not work: no worker is running" in why
    assert "with one it may work: you requested work now" in why
    told = json.loads(invoke(school, "why", "--json").output)
    assert (told["run"], told["reason"], told["worker"]) == (False, "no_worker", False)
    assert "overridden: the film keeps the screen on" in why


def test_what_protects_the_computer_holds_for_a_run_now_too(
    make_school: MakeSchool, seen: dict[str, Signals]
) -> None:
    school = make_school()
    seen["now"] = signals(disk_free=1e9)
    told = invoke(school, "run", "--now", "--detach").output
    assert "run 1 waits: 1.0 GB of disk are free" in told and "free some space" in told


def test_without_a_run_nothing_is_to_be_done(
    make_school: MakeSchool, seen: dict[str, Signals]
) -> None:
    school = make_school()
    assert "nothing is to be done: no run is queued" in invoke(school, "why").output
    invoke(school, "pause")
    told = invoke(school, "why").output
    assert "nothing is to be done: no run is queued" in told
    assert "also: paused until `nightschool resume`" in told


def test_where_nothing_is_queued_because_the_newest_run_failed_it_says_so(
    make_school: MakeSchool, seen: dict[str, Signals]
) -> None:
    school = make_school()
    invoke(school, "run")
    with Ledger(school.ledger_file) as ledger:
        claim = ledger.claim(1, "w")
        assert claim
        ledger.fail(claim, "prep: the base is gone")
    told = invoke(school, "why").output
    assert "run 1 failed: prep: the base is gone" in told and "`nightschool retry 1`" in told
    invoke(school, "run")
    assert "retry" not in invoke(school, "why").output


def test_it_shows_what_the_worker_sees_with_its_age(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process would hear of no sleep, and count idleness on Wayland from its own start."""
    school = make_school(night=ALL_DAY)
    invoke(school, "run")
    leave(school.signals_file, signals(idle_s=4321.0), time.time() - 3)

    def told() -> dict[str, Any]:
        rows = json.loads(invoke(school, "why", "--json").output)["signals"]
        return {row["name"]: row for row in rows}

    assert told()["suspending"]["value"] is None, "no worker is there"
    monkeypatch.setattr(forecast, "worker_alive", lambda school: 7)
    idle = told()["idle"]
    assert (idle["value"], idle["source"]) == (4321.0, "test")
    assert 3 <= idle["age_s"] < 10
    assert told()["suspending"]["value"] is False
    assert "run 1 may work" in invoke(school, "why").output
    leave(school.signals_file, signals(), time.time() - 60)
    assert told()["suspending"]["value"] is None, "it reads none now"


def test_it_tells_what_is_wrong_with_the_notes(
    make_school: MakeSchool, seen: dict[str, Signals]
) -> None:
    school = make_school()
    invoke(school, "run")
    seen_at = time.mktime((2026, 11, 24, 22, 30, 0, 0, 0, -1))
    write_seen(school.seen_file, Seen(seen_at, problem="there are no notes at /gone"))
    line = "looking at the notes (Tue 24 Nov 22:30): there are no notes at /gone"
    assert line in invoke(school, "why").output
