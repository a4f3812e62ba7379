"""Whole runs with SIGKILL of the worker, the child or both at random moments, against an undisturbed run.

python -m tests.jobs.kill_matrix --kills 100      # some 25 minutes; prints the figures as JSON
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs.presence import worker_alive
from nightschool.jobs.requests import request_run
from nightschool.learning.trainer import adapter_sha256
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Timing
from tests.conftest import new_school

# A checkpoint after every step, so that a run that is killed every few seconds still makes progress.
TRAIN = {
    "epochs": 12.0, "lora_r": 4, "max_tokens": 64, "effective_batch": 2, "lora_dropout": 0.1,
    "checkpoint_minutes": 0.0,
}  # fmt: skip


@dataclass(slots=True)
class Figures:
    """What the kills did; all but the first two should be zero."""

    kills: dict[str, int] = field(default_factory=lambda: {"worker": 0, "child": 0, "both": 0})
    runs: int = 0
    lost_runs: int = 0
    repeated_stages: int = 0
    orphans: int = 0
    other_adapters: int = 0


@contextmanager
def worker(school: School) -> Iterator[subprocess.Popen[str]]:
    """`nightschool work` in a process of its own; killed at the end, if it still runs."""
    command = [sys.executable, "-m", "nightschool", "--school", str(school.root), "work"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a change that another process makes."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.05)


def queue(school: School) -> int:
    with Ledger(school.ledger_file) as ledger:
        return request_run(ledger, school, load(school.settings_file), Timing.NOW, new=True)[0].id


def state(school: School, run: int) -> str:
    with Ledger(school.ledger_file) as ledger:
        return ledger.run(run).state


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    descendants: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    return descendants


def kill_all_over(school: School, kills: int, dice: random.Random) -> Figures:
    """Kill this many times, and until the run of the last kill is done; `school` has nothing queued."""
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        calm = School(Path(folder, "calm"))
        shutil.copytree(school.root, calm.root)
        quiet = queue(calm)
        with worker(calm):
            until(lambda: state(calm, quiet) == "done", 300)
        with Ledger(calm.ledger_file) as ledger:
            each = [(a.stage, (a.ended or 0.0) - a.started) for a in ledger.attempts_of(quiet)]
        # A killed stage, except for the training, starts over: it must have enough time once.
        longest_s = 1.3 * max(seconds for stage, seconds in each if stage != "train")
        wanted = adapter_sha256(calm.model_folder(quiet) / "adapter")
    while sum(figures.kills.values()) < kills:
        run = queue(school)
        while state(school, run) not in ("done", "failed"):
            _until_killed(school, run, dice, longest_s, figures)
        figures.runs += 1
        figures.lost_runs += state(school, run) != "done"
        with Ledger(school.ledger_file) as ledger:
            events = ledger.events(run)
        finished = [e.stage for e in events if e.message.endswith(" done") and e.stage]
        figures.repeated_stages += len(finished) - len(set(finished))
        if state(school, run) == "done":
            other = adapter_sha256(school.model_folder(run) / "adapter") != wanted
            figures.other_adapters += other
    return figures


def _until_killed(
    school: School, run: int, dice: random.Random, longest_s: float, figures: Figures
) -> None:
    """Let a worker work for a while, then kill it, its child or both, unless the run has ended."""

    def ended() -> bool:
        return state(school, run) in ("done", "failed")

    with worker(school) as process:
        until(lambda: worker_alive(school) is not None or process.poll() is not None)
        deadline = time.monotonic() + dice.uniform(2.0, 2.0 + longest_s)
        while time.monotonic() < deadline and not ended():
            time.sleep(0.02)
        if ended():
            return
        offspring = children(process)
        victims = dice.choice(list(figures.kills))
        figures.kills[victims] += 1
        if victims != "worker":
            for child in offspring:
                child.kill()
        if victims == "child":  # the worker continues with a new child; then it is killed, too
            time.sleep(dice.uniform(0.0, 1.0))
            offspring = children(process)
        process.kill()
        process.wait()
        psutil.wait_procs(offspring, timeout=5)
        figures.orphans += sum(child.is_running() for child in offspring)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        school = new_school(Path(folder, "school"), base="demo", train=TRAIN)
        print(json.dumps(asdict(kill_all_over(school, given.kills, random.Random(given.seed)))))


if __name__ == "__main__":
    main()
