"""`status`."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import filelock
import pytest

from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs.note_check import NoteCheck, write_note_check
from nightschool.jobs.retraining import check_notes
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import StageName, Timing
from tests.cli.conftest import invoke, nightschool
from tests.conftest import MakeSchool
from tests.jobs.nights import ALL_DAY
from tests.prepared import prepare


def status(school: School, *options: str) -> str:
    done = invoke(school, "status", *options)
    assert done.exit_code == 0, done.output
    return done.output


def test_json_keeps_its_keys(make_school: MakeSchool) -> None:
    school = make_school()
    queued = nightschool("run", school=school)
    assert queued.returncode == 0 and "no worker is running" in queued.stdout
    status = json.loads(nightschool("status", "--json", school=school).stdout)
    plan = status.pop("plan")
    assert (plan["run"], plan["done"], plan["nights"]) == (1, None, None)
    assert datetime.fromisoformat(plan["starts"]).tzinfo and plan["text"].startswith("starts")
    assert status == {
        "runs": [
            {
                "id": 1, "state": "queued", "stage": "prep", "step": 0, "total_steps": 0,
                "eta_s": None, "reason": "",
            }
        ],
        "earlier_runs": 0,
        "decision": {"run": False, "reason": "no_worker"},
        "night": None,
        "notes": {"on": False, "looked": None, "news": None, "problem": ""},
    }  # fmt: skip


@pytest.mark.parametrize("runs", [0, 1])
def test_the_pause_and_the_worker_are_shown_with_and_without_runs(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch, runs: int
) -> None:
    school = make_school()
    for _ in range(runs):
        invoke(school, "run")
    invoke(school, "pause")
    output = invoke(school, "status").output
    assert "paused until `nightschool resume`\nno worker is running" in output
    monkeypatch.setattr("nightschool.jobs.forecast.worker_alive", lambda school: 7)
    output = invoke(school, "status").output
    assert "paused until `nightschool resume`\na worker is running (process 7)\n" in output


def test_a_full_disk_is_reported(make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch) -> None:
    school = make_school()
    assert "disk" not in invoke(school, "status").output
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    assert "the disk is full, so newer events are not recorded" in invoke(school, "status").output


def test_a_run_of_a_dead_worker_is_shown_as_queued(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run", "--now", "--detach")
    with Ledger(school.ledger_file) as ledger:
        claim = ledger.claim(1, "a worker that died")
        assert claim is not None
        ledger.progress(claim, 3, 9, 0.5, 60.0)
    status = json.loads(invoke(school, "status", "--json").output)
    assert (status["runs"][0]["state"], status["runs"][0]["eta_s"]) == ("queued", None)
    assert status["decision"] == {"run": False, "reason": "no_worker"}


def test_the_next_window_is_shown_as_of_now(make_school: MakeSchool) -> None:
    opens, closes = (f"{datetime.now(UTC) + timedelta(hours=h):%H:%M}" for h in (11, 12))
    school = make_school(night={"start": opens, "end": closes, "timezone": "UTC"})
    invoke(school, "run")
    with filelock.FileLock(school.work_lock), Ledger(school.ledger_file) as ledger:
        ledger.decide(1, False, Reason.OUTSIDE_WINDOW, "what the settings said before")
        output = invoke(school, "status").output
    assert re.search(rf"a worker is running .*the next window opens .*{opens}", output)
    assert "before" not in output


def test_a_signal_that_blocks_work_is_shown_with_its_time(make_school: MakeSchool) -> None:
    school = make_school(night=ALL_DAY)
    invoke(school, "run")
    with filelock.FileLock(school.work_lock), Ledger(school.ledger_file) as ledger:
        ledger.decide(1, False, Reason.OWNER_ACTIVE, "the owner is there: idle for 3 s of 10 m")
        output = invoke(school, "status").output
    assert re.search(r"idle for 3 s of 10 m \(since .*\d\d:\d\d\)", output)


def test_new_notes_are_reported_until_a_run_has_read_them(make_school: MakeSchool) -> None:
    school = make_school()
    prepare(school)
    for number in range(12):
        text = " ".join(f"{1000 * number + word:x}!" for word in range(9))
        (school.root / f"notes/none/new-{number}.md").write_text(text, encoding="utf-8")
    assert "new labelled notes" not in status(school)
    check_notes(school, time.time())
    line = (
        '12 new labelled notes since run 1; "none" now has enough notes: `nightschool run --tonight`, or set '
        "retrain.min_new"
    )
    assert status(school).splitlines()[-1] == line
    news = json.loads(status(school, "--json"))["notes"]["news"]
    assert news == {"run": 1, "before": 36, "now": 48, "new": 12, "grown": ["none"]}
    prepare(school)
    assert "new labelled notes" not in status(school)


def test_a_failed_retraining_check_is_reported(make_school: MakeSchool) -> None:
    school = make_school()
    prepare(school)
    looked = time.mktime((2026, 11, 24, 22, 30, 0, 0, 0, -1))
    write_note_check(school.seen_file, NoteCheck(looked, problem="there are no notes at /gone"))
    line = "retraining check of Tue 24 Nov 22:30: there are no notes at /gone"
    assert status(school).splitlines()[-1] == line
    assert json.loads(status(school, "--json"))["notes"]["problem"] == "there are no notes at /gone"


def test_the_night_and_each_of_its_runs_get_a_line(
    make_school: MakeSchool,
) -> None:
    now = time.localtime(time.time() - 1800)
    start = f"{now.tm_hour:02}:{now.tm_min:02}"
    later = time.localtime(time.time() + 7200)
    school = make_school(night={"start": start, "end": f"{later.tm_hour:02}:{later.tm_min:02}"})
    clock = time.time() - 1200
    assert json.loads(status(school, "--json"))["night"] is None
    with Ledger(school.ledger_file, clock=lambda: clock) as ledger:
        run = ledger.add_run(
            load(school.settings_file).model_dump(), StageName.COMPARE, Timing.TONIGHT
        ).id
    output = status(school).splitlines()
    assert output[-1] == "tonight so far: no work was done: no worker 20 min"
    night = json.loads(status(school, "--json"))["night"]
    assert [one["reason"] for one in night["aside"]] == ["no_worker"]
    with Ledger(school.ledger_file, clock=lambda: clock) as ledger:
        claim = ledger.claim(run, "worker")
        assert claim
        clock += 600
        ledger.interrupt(claim, Reason.PAUSED, "paused by its owner")
    output = status(school).splitlines()[-2:]
    assert output[0].startswith("tonight so far: worked 10 min, interrupted 1 time (paused 10 min)")
    assert output[1] == "run 1 continues; last stop: paused"
    night = json.loads(status(school, "--json"))["night"]
    assert round(night["worked_s"]) == 600 and night["aside"][0]["reason"] == "paused"


def test_of_many_runs_the_newest_are_shown_and_those_that_are_open_or_in_use(
    make_school: MakeSchool,
) -> None:
    school = make_school()
    with Ledger(school.ledger_file) as ledger:
        for _ in range(15):
            ledger.cancel(ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT).id)
        ledger.retry(2)
        ledger.promote(3)
    assert "3 earlier runs: `nightschool status --all`" in status(school)
    shown = json.loads(status(school, "--json"))
    assert [run["id"] for run in shown["runs"]] == [2, 3, *range(6, 16)]
    assert shown["earlier_runs"] == 3
    every = json.loads(status(school, "--json", "--all"))
    assert [run["id"] for run in every["runs"]] == list(range(1, 16))
    assert every["earlier_runs"] == 0
