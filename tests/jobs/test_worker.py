"""The worker as its owner runs it: a process of its own, with requests from outside."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs import worker as worker_module
from nightschool.jobs.presence import worker_alive
from nightschool.jobs.requests import request_run
from nightschool.jobs.signals.signal import Signals
from nightschool.jobs.worker import work
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import Attempt, Stage, StageName, Timing
from tests.conftest import MakeSchool, new_school
from tests.jobs.kill_matrix import TRAIN, children, kill_all_over, queue, state, until, worker
from tests.jobs.nights import ALL_DAY, signals

LONG = {**TRAIN, "checkpoint_minutes": 5.0}


def train_stage(school: School, run: int) -> Stage:
    with Ledger(school.ledger_file) as ledger:
        return ledger.stage(run, StageName.TRAIN)


def test_second_worker_of_a_school_is_refused(make_school: MakeSchool) -> None:
    school = make_school()
    with worker(school) as first:
        until(lambda: worker_alive(school) is not None)
        with worker(school) as second:
            output, _ = second.communicate(timeout=20)
        assert second.returncode == 1
        assert f"another worker (process {first.pid}) already runs for this school" in output
        assert "Traceback" not in output
    until(lambda: worker_alive(school) is None)


def test_run_survives_pause_and_kill_and_can_be_cancelled(
    make_school: MakeSchool, tiny_base: Path
) -> None:
    school = make_school(base=tiny_base.as_posix(), train=LONG)
    run = queue(school)
    with worker(school) as process:
        until(lambda: train_stage(school, run).step >= 3)
        with Ledger(school.ledger_file) as ledger:
            ledger.pause(None)
        until(lambda: state(school, run) == "queued", 10)
        assert not children(process), "a child still works"
        at_pause = train_stage(school, run).step
        assert list((school.run_folder(run) / "checkpoints").glob("step-*"))
        with Ledger(school.ledger_file) as ledger:
            ledger.resume()
        until(lambda: train_stage(school, run).step > at_pause)
        orphans = children(process)
        process.kill()
        process.wait()
        psutil.wait_procs(orphans, timeout=5)
        assert not any(child.is_running() for child in orphans), "a child outlived its worker"
    with worker(school) as process:
        killed_at = train_stage(school, run).step
        until(lambda: train_stage(school, run).step > killed_at)
        with Ledger(school.ledger_file) as ledger:
            ledger.cancel(run)
        until(lambda: not children(process), 15)
        assert state(school, run) == "cancelled"
        if os.name != "nt":
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=20)
            assert "stopped; `nightschool work` continues" in output


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server here")
def test_queue_can_be_redis(make_school: MakeSchool, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        school = make_school(queue=f"redis://127.0.0.1:{port}/0")
        run = queue(school)
        for kind in ("lesson", "none"):
            shutil.rmtree(school.root / "notes" / kind)
        with worker(school):
            until(lambda: state(school, run) == "failed")
        with Ledger(school.ledger_file) as ledger:
            assert "there is only one kind" in ledger.run(run).reason
    finally:
        server.kill()
        server.wait()


@pytest.mark.slow
def test_random_kills_lose_nothing_repeat_nothing_and_change_no_bit(
    make_school: MakeSchool, tiny_base: Path
) -> None:
    school = make_school(base=tiny_base.as_posix(), train=TRAIN)
    figures = kill_all_over(school, 8, random.Random(7))
    assert figures.total >= 8
    assert not any(figures.faults), figures


def test_idle_worker_is_light(make_school: MakeSchool) -> None:
    school = make_school()
    with worker(school) as process:
        until(lambda: worker_alive(school) is not None)
        watched = psutil.Process(process.pid)
        until(lambda: watched.num_threads() >= 3)
        memory = watched.memory_info().rss / 1e6
        code = "import sys; import nightschool.jobs.worker; print('torch' in sys.modules)"
        loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert memory < 120
    assert loaded.strip() == "False"


@pytest.mark.slow
def test_work_stops_when_reading_the_signals_hangs(
    make_school: MakeSchool, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nightschool.jobs.policy_tick.SILENT_S", 3.0)
    endless = {**LONG, "epochs": 500.0, "patience": 0}
    school = make_school(base=tiny_base.as_posix(), train=endless)
    run = queue(school)
    hangs, answers = False, threading.Event()
    deadline = time.monotonic() + 120

    def sensors() -> Signals:
        if hangs:
            answers.wait(60)
        return signals()

    def over() -> bool:
        nonlocal hangs
        assert time.monotonic() < deadline
        stage = train_stage(school, run)
        hangs = hangs or stage.step >= 3
        if hangs and stage.state == "waiting":
            answers.set()
        return answers.is_set()

    work(school, load(school.settings_file), over, 0.05, sensors)
    with Ledger(school.ledger_file) as ledger:
        last = ledger.attempts_of(run)[-1]
    assert last.outcome == "stopped" and "there was no decision" in (last.reason or "")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by root on Linux")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@pytest.mark.slow
def test_run_waits_for_a_full_disk(
    small_disk: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nightschool.jobs.policy.RETRY_S", 3.0)
    endless = {**TRAIN, "epochs": 500.0, "patience": 0}
    school = new_school(
        small_disk / "s", base=tiny_base.as_posix(), train=endless, night={"min_disk_gb": 0.0}
    )
    run, full, at = queue(school), small_disk / "full", 0.0
    deadline = time.monotonic() + 120

    def over() -> bool:
        nonlocal at
        assert time.monotonic() < deadline
        step = train_stage(school, run).step
        if not at and step >= 3:
            at = time.monotonic()
            with suppress(OSError), full.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        if at and time.monotonic() - at > 8:
            full.unlink(missing_ok=True)
            ends = [attempt.outcome for attempt in _attempts(school, run)]
            return "disk_full" in ends and ends[-1] is None and step > 3
        return False

    work(school, load(school.settings_file), over, 0.05, signals)
    assert {"failed", "lost"}.isdisjoint(a.outcome for a in _attempts(school, run))


def _attempts(school: School, run: int) -> list[Attempt]:
    with Ledger(school.ledger_file) as ledger:
        return ledger.attempts_of(run)


def test_work_yields_to_the_owner_and_resumes(make_school: MakeSchool, tiny_base: Path) -> None:
    always = {**ALL_DAY, "quiet_minutes": 0.0, "max_cpu_load": 100.0}
    endless = {**LONG, "epochs": 500.0, "patience": 0}
    school = make_school(base=tiny_base.as_posix(), train=endless, night=always)
    with Ledger(school.ledger_file) as ledger:
        settings = load(school.settings_file)
        run = request_run(ledger, school, settings, Timing.TONIGHT, new=True)[0].id
    owner: dict[str, Any] = {}
    story: list[int] = []
    deadline = time.monotonic() + 120

    def step_of(state_wanted: str) -> int | None:
        with Ledger(school.ledger_file) as ledger:
            stage = ledger.stage(run, StageName.TRAIN)
        return stage.step if stage.state == state_wanted else None

    def over() -> bool:
        """The owner returns at the third step, and leaves once work has yielded."""
        assert time.monotonic() < deadline, story
        if not story and (step_of("running") or 0) >= 3:
            owner["idle_s"] = 0.0
            story.append(1)
        elif len(story) == 1 and (aside := step_of("waiting")):
            assert not psutil.Process().children(recursive=True), "a child still works"
            story.append(aside)
            owner.clear()
        elif len(story) == 2 and (step_of("running") or 0) > story[1]:
            story.append(2)
        return len(story) == 3

    work(school, load(school.settings_file), over, 0.05, lambda: signals(**owner))
    with Ledger(school.ledger_file) as ledger:
        outcomes = [a.outcome for a in ledger.attempts(0) if a.stage == "train"]
        reasons = [past.reason for past in ledger.decisions(20)]
    assert outcomes == ["owner_active", "stopped"]
    assert [r for r in reversed(reasons) if r != "no_worker"] == [
        "in_window",
        "owner_active",
        "in_window",
    ]


@pytest.mark.parametrize("crashed", [False, True])
def test_decisions_of_a_worker_expire_at_its_last_sign_of_life(
    make_school: MakeSchool, crashed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_HEARTBEAT_S", 0.1)
    school, now = make_school(night=ALL_DAY), time.time()
    settings = load(school.settings_file)
    heartbeat = school.state / "worker.json"
    if crashed:
        with Ledger(school.ledger_file, clock=lambda: now - 7200) as ledger:
            ledger.decide(1, False, Reason.OWNER_ACTIVE, "")
        heartbeat.write_text('{"pid": 1}', "utf-8")
        os.utime(heartbeat, (now - 7000, now - 7000))
    beats: list[float] = []

    def over() -> bool:
        beats.append(heartbeat.stat().st_mtime)
        return len(beats) > 20

    work(school, settings, over, 0.05, signals)
    with Ledger(school.ledger_file) as ledger:
        recorded = [(round(one.at - now), one.reason) for one in reversed(ledger.decisions(9))]
    if crashed:
        assert recorded[:2] == [(-7200, "owner_active"), (-7000, "no_worker")]
    assert [why for at, why in recorded if at >= 0] == ["no_worker", "nothing_to_do", "no_worker"]
    assert len(set(beats)) > 2, "there is no heartbeat"
