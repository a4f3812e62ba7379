"""Whole runs with SIGKILL of the worker, the child or both, against an undisturbed run.

Half of the processes die at a random moment, the others at one of those that `kill_points` lists.

python -m tests.jobs.kill_matrix --kills 200      # some 50 minutes; prints the figures as JSON
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
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
from nightschool.ledger.schema import MIGRATIONS
from nightschool.notes.labels import read_labels
from tests.conftest import new_school
from tests.jobs import kill_points

# A checkpoint after every step, so that a run that is killed every few seconds still makes progress.
TRAIN = {
    "epochs": 12.0, "lora_r": 4, "max_tokens": 64, "effective_batch": 2, "lora_dropout": 0.1,
    "checkpoint_minutes": 0.0,
}  # fmt: skip


VICTIMS = ("worker", "child", "both")
SIDE_POINTS = ("promotion", "labels", "migration")
POINTS = (*kill_points.WORKER_POINTS, *kill_points.CHILD_POINTS, *SIDE_POINTS)


@dataclass(slots=True)
class Figures:
    """What the kills did; all but the first three should be zero."""

    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VICTIMS, 0))
    points: dict[str, int] = field(default_factory=lambda: dict.fromkeys(POINTS, 0))
    runs: int = 0
    lost_runs: int = 0
    repeated_stages: int = 0
    orphans: int = 0
    other_adapters: int = 0
    lost_labels: int = 0
    broken_ledgers: int = 0

    @property
    def total(self) -> int:
        return sum(self.kills.values()) + sum(self.points.values())

    @property
    def faults(self) -> list[int]:
        return [
            self.lost_runs, self.repeated_stages, self.orphans, self.other_adapters, self.lost_labels,
            self.broken_ledgers,
        ]  # fmt: skip


@contextmanager
def worker(
    school: School, command: list[str] | None = None, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """`nightschool work` in a process of its own; killed at the end, if it still runs."""
    usual = [sys.executable, "-m", "nightschool", "--school", str(school.root), "work"]
    process = subprocess.Popen(
        command or usual, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
        env=env,
    )  # fmt: skip
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
    while figures.total < kills:
        run = queue(school)
        while state(school, run) not in ("done", "failed"):
            _until_killed(school, run, dice, longest_s, figures)
        for _ in range(2):
            _kill_beside_a_run(school, dice, figures)
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
    """Let a worker work until it, its child or both are killed, or the run has ended."""
    points = (*kill_points.WORKER_POINTS, *kill_points.CHILD_POINTS)
    point = dice.choice(points) if dice.random() < 0.6 else ""
    skip = dice.randrange(20 if point == "checkpoint" else 2)
    offspring: list[psutil.Process] = []

    def ended() -> bool:
        return state(school, run) in ("done", "failed")

    with tempfile.TemporaryDirectory() as folder:
        mark = Path(folder, "mark")
        env = kill_points.environment(point, mark, skip)
        with worker(school, [*kill_points.code("work"), str(school.root)], env) as process:
            until(lambda: worker_alive(school) is not None or process.poll() is not None)
            deadline = time.monotonic() + dice.uniform(2.0, 2.0 + longest_s)
            while time.monotonic() < deadline and process.poll() is None and not ended():
                with suppress(psutil.NoSuchProcess):
                    offspring = children(process) or offspring
                time.sleep(0.05)
            if mark.exists():
                figures.points[point] += 1
            if process.poll() is None:
                if ended():
                    return
                offspring = _kill_at_random(process, dice, figures)
            process.wait()
            psutil.wait_procs(offspring, timeout=5)
            figures.orphans += sum(child.is_running() for child in offspring)


def _kill_at_random(
    process: subprocess.Popen[str], dice: random.Random, figures: Figures
) -> list[psutil.Process]:
    offspring = children(process)
    victims = dice.choice(VICTIMS)
    figures.kills[victims] += 1
    if victims != "worker":
        for child in offspring:
            with suppress(psutil.NoSuchProcess):
                child.kill()
    if victims == "child":  # the worker continues with a new child; then it is killed, too
        time.sleep(dice.uniform(0.0, 1.0))
        offspring = children(process)
    process.kill()
    return offspring


def _kill_beside_a_run(school: School, dice: random.Random, figures: Figures) -> None:
    """Kill a promotion, one of two writers of labels, and a migration."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run("promote", "promotion", folder / "promotion", school.root)
        figures.points["promotion"] += (folder / "promotion").exists()
        with Ledger(school.ledger_file) as ledger:
            ((state,),) = ledger._rows("PRAGMA integrity_check")
            figures.broken_ledgers += state != "ok" or 1 in ledger.promotions()

        command = [*kill_points.code("label"), str(school.root)]
        victim, other = (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
            for env in (
                kill_points.environment("labels", folder / "labels", dice.randrange(30)),
                kill_points.environment("", folder / "none"),
            )
        )
        acknowledged = [
            line for process in (victim, other) for line in process.communicate()[0].split()
        ]
        figures.points["labels"] += (folder / "labels").exists()
        figures.lost_labels += len(set(acknowledged) - read_labels(school.labels_file).keys())

        old = folder / "ledger.db"
        _make_old_ledger(old)
        _run("migrate", "migration", folder / "migration", old, dice.randrange(12))
        figures.points["migration"] += (folder / "migration").exists()
        with Ledger(old) as ledger:
            figures.broken_ledgers += [run.id for run in ledger.runs()] != [1]


def _run(function: str, point: str, mark: Path, argument: Path, skip: int = 0) -> None:
    env = kill_points.environment(point, mark, skip)
    subprocess.run([*kill_points.code(function), str(argument)], env=env)


def _make_old_ledger(file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.executescript(MIGRATIONS[0] + MIGRATIONS[1])
        db.execute(
            "INSERT INTO runs (created, state, goal, timing, settings) "
            "VALUES (1.0, 'done', 'compare', 'now', '{}')"
        )
        db.execute("PRAGMA user_version = 2")
        db.commit()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        school = new_school(Path(folder, "school"), base="demo", train=TRAIN)
        print(json.dumps(asdict(kill_all_over(school, given.kills, random.Random(given.seed)))))


if __name__ == "__main__":
    main()
