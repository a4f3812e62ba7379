from __future__ import annotations

import contextlib
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
from nightschool.config.settings import Settings
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import StageName, Timing
from nightschool.stages.child_jobs import ClassifyJob, ProbeJob, StageJob
from nightschool.tasks import process
from nightschool.tasks.channel import ChildMessage, Ended, LogLine
from nightschool.tasks.process import Child, supervise

SETTINGS = Settings.model_validate({"base": "demo", "preset": "cpu-demo"})


def probe(tmp_path: Path) -> ProbeJob:
    return ProbeJob(root=tmp_path, settings=SETTINGS)


def perform(child: Child) -> tuple[list[ChildMessage], int]:
    """What a child sends, and its exit code."""
    messages: list[ChildMessage] = []
    code = supervise(child, messages.append, lambda: False)
    return messages, code


def test_child_answers_in_messages_and_exits(tmp_path: Path) -> None:
    messages, code = perform(Child(probe(tmp_path), tmp_path / "log"))
    assert code == 0
    [ending] = messages
    assert isinstance(ending, Ended) and ending.result
    assert ending.result["device"] == "cpu"
    assert ending.result["base_folder"]


def test_child_imports_nothing_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vault from elsewhere may hold a json.py or a folder named nightschool."""
    vault, marker = tmp_path / "vault", tmp_path / "executed"
    (vault / "nightschool").mkdir(parents=True)
    for name in ("json.py", "numpy.py", "queue.py", "h2.py", "torch.py", "nightschool/__init__.py"):
        (vault / name).write_text(f"open({str(marker)!r}, 'w').close()\n", encoding="utf-8")
    monkeypatch.chdir(vault)
    messages, code = perform(Child(probe(tmp_path), tmp_path / "log"))
    assert code == 0 and isinstance(messages[-1], Ended) and messages[-1].result
    assert not marker.exists()


def test_child_that_cannot_do_its_job_gives_the_reason(tmp_path: Path) -> None:
    messages, _ = perform(Child(ClassifyJob(root=tmp_path, run=9, notes=()), tmp_path / "log"))
    ending = messages[-1]
    assert isinstance(ending, Ended) and ending.outcome is Outcome.FAILED
    assert "run 9 is missing" in ending.reason


def test_child_of_another_version_does_not_fail_the_run(tmp_path: Path) -> None:
    """The program was updated while its worker runs."""
    job = probe(tmp_path).model_copy(update={"version": 2})
    messages, _ = perform(Child(job, tmp_path / "log"))
    ending = messages[-1]
    assert isinstance(ending, Ended) and ending.outcome is Outcome.ERROR
    assert "restart `nightschool work`" in ending.reason


def test_ledger_held_for_long_does_not_fail_the_run(tmp_path: Path) -> None:
    """Another program (a backup, a virus scanner) releases it in the end, and the stage is repeated."""
    school = School(tmp_path)
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run({}, StageName.COMPARE, Timing.NOW).id
    holder = sqlite3.connect(school.ledger_file, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")  # for readers, too
    holder.execute("BEGIN EXCLUSIVE")
    job = StageJob(root=school.root, run=run, stage=StageName.PREP)
    messages, _ = perform(Child(job, tmp_path / "log"))
    holder.close()
    ending = messages[-1]
    assert isinstance(ending, Ended) and ending.outcome is Outcome.ERROR
    assert "another process has locked" in ending.reason


def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    """The parent is killed and cannot clean up; the child is gone within 5 s."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom nightschool.tasks.process import Child\n"
        "from nightschool.stages.child_jobs import ProbeJob\n"
        "child = Child(ProbeJob.model_validate_json(sys.argv[1]), Path(sys.argv[2]))\n"
        "print(child.pid, flush=True)\ntime.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, probe(tmp_path).model_dump_json(), str(tmp_path / "log")],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    with contextlib.suppress(psutil.NoSuchProcess):
        child.wait(timeout=5)
    assert not child.is_running()


def test_child_that_does_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "GRACE_S", 0.0)
    child = Child(probe(tmp_path), tmp_path / "log")
    began = time.monotonic()
    assert supervise(child, lambda message: None, lambda: True, every_s=0.05) != 0
    assert time.monotonic() - began < 3
    assert not psutil.pid_exists(child.pid)


def test_announced_sleep_shortens_the_time_a_stopping_child_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner pulls the plug, then closes the lid: the computer waits from the lid on."""
    monkeypatch.setattr(process, "GRACE_S", 60.0)
    child = Child(probe(tmp_path), tmp_path / "log")
    monkeypatch.setattr(child, "stop", lambda: None)  # it does not react
    monkeypatch.setattr(child, "next_message", lambda seconds: time.sleep(seconds))

    def gone_by() -> float | None:
        return began + 0.6 if time.monotonic() - began > 0.3 else None

    def kill() -> None:
        killed.append(time.monotonic())
        Child.kill(child)
        child._process.wait()

    monkeypatch.setattr(child, "kill", kill)
    began, killed = time.monotonic(), list[float]()
    supervise(child, lambda message: None, lambda: True, gone_by, every_s=0.05)
    assert 0.55 < killed[0] - began < 2.5


@pytest.mark.parametrize(
    ("asked", "gone_by", "deadline"),
    [
        (100.0, None, 108.0), (100.0, 105.0, 105.0), (100.0, 99.0, 99.0), (100.0, 111.0, 108.0),
        (None, None, math.inf), (None, 105.0, 105.0),
    ],
)  # fmt: skip
def test_child_has_8_s_to_stop_but_not_beyond_an_announced_sleep(
    asked: float | None, gone_by: float | None, deadline: float
) -> None:
    assert process._deadline(asked, gone_by) == deadline


def test_children_run_offline_and_in_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = Child(probe(tmp_path), tmp_path / "log")
    environment = psutil.Process(child.pid).environ()
    child.kill()
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["PYTHONUTF8"] == "1"
    online = Child(probe(tmp_path), tmp_path / "log", online=True)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    online.kill()
    assert os.path.getsize(tmp_path / "log") >= 0


def test_invalid_message_is_dropped_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    printing = "print('no message'); import sys; sys.stdin.readline()"
    real = subprocess.Popen

    def start(command: list[str], **options: object) -> object:
        return real([command[0], "-c", printing], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", start)
    messages, code = perform(Child(probe(tmp_path), tmp_path / "log"))
    assert (messages, code) == ([], 0)
    assert "is invalid" in caplog.text


PULSELESS = """
from nightschool.tasks import channel
channel.PULSE_LIMIT_S, channel._LATE_PULSE_S = 2.0, 1.0
parent = channel.PipeParent()
parent.receive_job()
try:
    answer = input("run the custom code? [y/N] ")
except EOFError:
    parent.say("state", "nobody answers")
while not parent.should_stop():
    pass
parent.say("state", f"stops without a pulse: {parent.without_pulse}")
channel.os._exit(0)
"""


def test_child_asks_nobody_and_stops_without_the_pulse_of_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent exists, and its pipe is open, but it is frozen."""
    real = subprocess.Popen

    def start(command: list[str], **options: object) -> object:
        return real([*command[:-2], "-c", PULSELESS], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", start)
    child = Child(probe(tmp_path), tmp_path / "log")
    assert isinstance(answer := child.next_message(60), LogLine)
    assert answer.text == "nobody answers"
    for _ in range(8):
        child._write("")
        assert child.next_message(0.5) is None and child.exit_code is None  # it goes on
    assert isinstance(last := child.next_message(20), LogLine)
    assert last.text == "stops without a pulse: True"
    assert child.next_message(20) is None and child.exit_code == 0


def test_pulse_fails_while_nobody_says_whether_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that asks the policy hangs, as in a read from a stuck disk."""
    real = subprocess.Popen

    def start(command: list[str], **options: object) -> object:
        return real([command[0], "-c", "import time; time.sleep(0.5)"], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", start)
    child = Child(probe(tmp_path), tmp_path / "log")
    pulses: list[float] = []
    monkeypatch.setattr(child, "pulse", lambda: pulses.append(time.monotonic()))
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(len(pulses))
        return False

    supervise(child, lambda message: None, should_stop, every_s=0.05)
    assert asked == list(range(len(pulses)))  # one pulse after each answer, none before
