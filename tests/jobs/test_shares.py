"""One school behind two mounts whose locks do not see each other, as on a network share."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from tests.conftest import new_school
from tests.fuse_mount import mounted, needs_fuse
from tests.jobs.kill_matrix import TRAIN, until

pytestmark = [pytest.mark.slow, needs_fuse()]


_started: list[subprocess.Popen[bytes]] = []
# A checkpoint after each of a few steps.
_TRAIN = {**TRAIN, "epochs": 3.0, "effective_batch": 4}


class Worker:
    """`nightschool work` at a mount, in a process of its own."""

    def __init__(self, school: School, log: Path) -> None:
        self.log = log
        command = [sys.executable, "-m", "nightschool", "--school", str(school.root), "work"]
        with log.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        _started.append(self.process)

    def said(self) -> str:
        return self.log.read_text("utf-8")


@pytest.fixture
def mounts(tmp_path: Path, tiny_base: Path) -> Iterator[tuple[School, School]]:
    """The same school behind two mounts, the second without shared memory; its run is queued."""
    new_school(tmp_path / "disk" / "school", base=str(tiny_base), train=_TRAIN)
    with (
        mounted(tmp_path / "disk", tmp_path / "one") as one,
        mounted(tmp_path / "disk", tmp_path / "two", "--direct-io") as two,
    ):
        yield School(one / "school"), School(two / "school")
        while _started:  # whatever is left after a failure
            _started[-1].kill()
            _started.pop().wait()


def call(school: School, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nightschool", "--school", str(school.root), *arguments],
        capture_output=True, text=True, encoding="utf-8", timeout=120,
    )  # fmt: skip


def run_of(school: School) -> dict[str, Any]:
    done = call(school, "status", "--json")
    assert done.returncode == 0, done.stderr
    run: dict[str, Any] = json.loads(done.stdout)["runs"][0]
    return run


def test_one_worker_works_the_other_is_refused_and_takes_over_when_the_first_is_dead(
    mounts: tuple[School, School], tmp_path: Path
) -> None:
    one, two = mounts
    assert call(one, "run", "--now", "--detach").returncode == 0
    workers = [Worker(one, tmp_path / "one.log"), Worker(two, tmp_path / "two.log")]
    until(lambda: any(worker.process.poll() is not None for worker in workers), 120)
    first, refused = sorted(workers, key=lambda worker: worker.process.poll() is not None)
    assert refused.process.returncode == 2 and "works on this school since" in refused.said()
    at_work, elsewhere = (one, two) if first is workers[0] else (two, one)
    until(lambda: run_of(elsewhere)["stage"] == "train", 180)
    for _ in range(20):
        run_of(elsewhere)
    done = call(elsewhere, "pause")
    assert done.returncode == 2 and "works on this school since" in done.stderr
    begun = time.monotonic()
    assert call(at_work, "pause").returncode == 0 == call(at_work, "resume").returncode
    assert time.monotonic() - begun < 30
    first.process.kill()
    first.process.wait()
    second = Worker(elsewhere, tmp_path / "second.log")
    until(lambda: run_of(elsewhere)["state"] == "done", 300)
    second.process.terminate()
    second.process.wait(timeout=60)
    for worker in (first, second):
        assert "locked" not in worker.said() and "damaged" not in worker.said()
    disk = School(tmp_path / "disk" / "school")
    with sqlite3.connect(disk.ledger_file) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA journal_mode").fetchall() == [("delete",)]
    with Ledger(disk.ledger_file) as ledger:
        attempts = ledger.attempts_of(1)
    finished = [attempt.stage for attempt in attempts if attempt.outcome is Outcome.FINISHED]
    assert finished == ["prep", "baseline", "train", "evaluate", "compare"]
    for before, after in pairwise(attempts):
        assert (before.ended or 0.0) <= after.started, "two attempts at the same time"


def test_commands_at_both_mounts_lose_nothing(mounts: tuple[School, School]) -> None:
    commands = [
        [sys.executable, "-m", "nightschool", "--school", str(school.root), *arguments]
        for school in mounts
        for arguments in (["run", "--new"], ["pause"], ["run", "--new"], ["status"])
        for _ in range(3)
    ]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for command in commands
    ]
    queued = refused = 0
    for command, process in zip(commands, running, strict=True):
        _, error = process.communicate(timeout=200)
        if process.returncode == 0:
            queued += "run" in command
        else:
            assert b"has locked" in error and error.count(b"\n") == 1, error
            refused += 1
    with Ledger(mounts[0].ledger_file, writes=False) as ledger:
        assert ledger.count_runs() == queued
    with sqlite3.connect(
        mounts[0].root.parents[1] / "disk" / "school" / ".nightschool" / "ledger.db"
    ) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
