from __future__ import annotations

import contextlib
import json
import math
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.stages.queries import stage_job
from nightschool.tasks import process
from nightschool.tasks.process import Child, Message, attend

PROBE = {"job": "probe", "settings": {"base": "demo", "preset": "cpu-demo"}}


def probe(tmp_path: Path) -> Message:
    return {**PROBE, "school": str(tmp_path)}


def test_a_child_answers_in_messages_and_ends(tmp_path: Path) -> None:
    heard: list[Message] = []
    assert attend(Child(probe(tmp_path), tmp_path / "log"), heard.append, lambda: False) == 0
    assert [message["event"] for message in heard] == ["ended"]
    assert heard[0]["result"]["device"] == "cpu"
    assert heard[0]["result"]["base_folder"]


def test_a_child_that_cannot_do_its_job_says_why(tmp_path: Path) -> None:
    heard: list[Message] = []
    job = {"job": "classify", "school": str(tmp_path), "run": 9, "notes": [], "abstain": False}
    attend(Child(job, tmp_path / "log"), heard.append, lambda: False)
    assert heard[-1]["outcome"] == "failed"
    assert "run 9 is gone" in heard[-1]["reason"]


def test_a_ledger_that_is_held_for_long_does_not_fail_the_run(tmp_path: Path) -> None:
    """Another program (a backup, a virus scanner) lets go of it in the end: the stage is done again."""
    school = School(tmp_path)
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run({}, "compare", "now").id
    heard: list[Message] = []
    holder = sqlite3.connect(school.ledger_file, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")  # for readers, too
    holder.execute("BEGIN EXCLUSIVE")
    attend(Child(stage_job(school, run, "prep"), tmp_path / "log"), heard.append, lambda: False)
    holder.close()
    assert heard[-1]["outcome"] == "lost"
    assert "is held by another process" in heard[-1]["reason"]


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    """The parent is killed, and cannot clean up; the child is gone within 5 s."""
    code = (
        "import json, sys, time\nfrom pathlib import Path\nfrom nightschool.tasks.process import Child\n"
        "child = Child(json.loads(sys.argv[1]), Path(sys.argv[2]))\n"
        "print(child.pid, flush=True)\ntime.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(probe(tmp_path)), str(tmp_path / "log")],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    with contextlib.suppress(psutil.NoSuchProcess):
        child.wait(timeout=5)
    assert not child.is_running()


def test_a_child_that_does_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "GRACE_S", 0.0)
    child = Child(probe(tmp_path), tmp_path / "log")
    began = time.monotonic()
    assert attend(child, lambda message: None, lambda: True, every_s=0.05) != 0
    assert time.monotonic() - began < 3
    assert not psutil.pid_exists(child.pid)


def test_a_sleep_that_is_announced_while_a_child_stops_leaves_it_less_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner pulls the plug, then closes the lid: the computer waits from the lid on."""
    monkeypatch.setattr(process, "GRACE_S", 60.0)
    child = Child(probe(tmp_path), tmp_path / "log")
    monkeypatch.setattr(child, "stop", lambda: None)  # it takes its time
    monkeypatch.setattr(child, "next_message", lambda seconds: time.sleep(seconds))

    def gone_by() -> float | None:
        return began + 0.6 if time.monotonic() - began > 0.3 else None

    def kill() -> None:
        killed.append(time.monotonic())
        Child.kill(child)
        child._process.wait()

    monkeypatch.setattr(child, "kill", kill)
    began, killed = time.monotonic(), list[float]()
    attend(child, lambda message: None, lambda: True, gone_by, every_s=0.05)
    assert 0.55 < killed[0] - began < 2.5


@pytest.mark.parametrize(
    ("asked", "gone_by", "deadline"),
    [
        (100.0, None, 108.0), (100.0, 105.0, 105.0), (100.0, 99.0, 99.0), (100.0, 111.0, 108.0),
        (None, None, math.inf), (None, 105.0, 105.0),
    ],
)  # fmt: skip
def test_a_child_has_8_s_to_end_and_no_longer_than_till_a_sleep_comes(
    asked: float | None, gone_by: float | None, deadline: float
) -> None:
    assert process._deadline(asked, gone_by) == deadline


def test_children_run_offline_in_utf8_and_behind_the_owners_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Child(probe(tmp_path), tmp_path / "log")
    environment = psutil.Process(child.pid).environ()
    child.kill()
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["PYTHONUTF8"] == "1"
    online = Child(probe(tmp_path), tmp_path / "log", online=True)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    online.kill()
    assert os.path.getsize(tmp_path / "log") >= 0
