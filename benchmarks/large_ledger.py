"""How long the reading commands take in a school of many nights, and how its ledger grows.

    python benchmarks/large_ledger.py --runs 1000 --events 100000

Makes a school whose ledger holds that many finished runs (a night each, the newest one queued), and calls each
command a few times in a process of its own. One JSON line each: the median time in seconds, its ratio to
`python -c pass`, and the lines that it prints. The first line has the size of the ledger in bytes per run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.config.settings_template import template
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import STAGES, Timing

COMMANDS = (
    ["status"], ["status", "--json"], ["status", "--all"], ["why"], ["log"], ["log", "500"],
    ["log", "500", "--json"], ["models"],
)  # fmt: skip
_DAY_S = 86400.0
_ATTEMPTS, _DECISIONS = 12, 20


def make_school(root: Path, runs: int, events: int) -> School:
    """A school with `runs` finished runs, one a night, and one that waits for the next night."""
    school = School(root)
    note = root / "notes" / "lesson" / "one.md"
    note.parent.mkdir(parents=True)
    note.write_text("First restore.", encoding="utf-8")
    school.settings_file.write_text(template({"preset": "cpu-demo"}), encoding="utf-8")
    settings = load(school.settings_file).model_dump()
    begin, stored = time.time() - runs * _DAY_S, json.dumps(settings)
    numbers = range(1, runs + 1)
    with Ledger(school.ledger_file) as ledger, ledger._transaction() as db:
        db.executemany(
            "INSERT INTO runs (id, created, state, goal, timing, reason, settings) "
            "VALUES (?, ?, 'done', 'compare', 'tonight', 'not better beyond chance', ?)",
            [(run, begin + run * _DAY_S, stored) for run in numbers],
        )
        db.executemany(
            "INSERT INTO stages (run, name, position, state, step, total_steps, result) "
            "VALUES (?, ?, ?, 'done', 200, 200, ?)",
            [
                (run, stage, place, json.dumps({"accuracy": 0.6, "remark": "x" * 600}))
                for run in numbers
                for place, stage in enumerate(STAGES)
            ],
        )
        db.executemany(
            "INSERT INTO attempts (run, stage, worker, started, ended, outcome, reason, best_before, "
            "last_step) VALUES (?, 'train', ?, ?, ?, 'chunk_done', '', ?, ?)",
            [
                (run, "w" * 32, begin + run * _DAY_S + 600 * n, begin + run * _DAY_S + 600 * n + 590,
                 10 * n, 10 * n + 10)
                for run in numbers
                for n in range(_ATTEMPTS)
            ],
        )  # fmt: skip
        db.executemany(
            "INSERT INTO events (at, run, stage, kind, message) VALUES (?, ?, 'train', 'progress', ?)",
            [
                (
                    begin + run * _DAY_S + n,
                    run,
                    f"checkpoint after step {n} in the middle of a night",
                )
                for run in numbers
                for n in range(events // runs)
            ],
        )
        db.executemany(
            "INSERT INTO decisions (at, run, allowed, reason, detail) VALUES (?, ?, ?, ?, ?)",
            [
                (begin + run * _DAY_S + 1000 * n, run, n % 2, "in_window" if n % 2 else "owner_active",
                 "the computer was used 12 s ago")
                for run in numbers
                for n in range(_DECISIONS)
            ],
        )  # fmt: skip
        db.executemany(
            "INSERT INTO promotions (run, at, by) VALUES (?, 0, 'comparison')",
            [(run,) for run in numbers if run % 10 == 0],
        )
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run(settings, STAGES[-1], Timing.TONIGHT)
    return school


def seconds(command: list[str], times: int) -> tuple[float, int]:
    """The median time of a command, and the number of lines that it prints."""
    taken, lines = [], 0
    for _ in range(times):
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, check=True)
        taken.append(time.perf_counter() - begun)
        lines = done.stdout.count(b"\n")
    return statistics.median(taken), lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        school = make_school(Path(folder, "school"), given.runs, given.events)
        size = school.ledger_file.stat().st_size
        print(json.dumps({"ledger_mb": round(size / 1e6, 1), "per_run": size // given.runs}))
        python, _ = seconds([sys.executable, "-c", "pass"], given.times)
        for command in COMMANDS:
            whole = [sys.executable, "-m", "nightschool", "--school", str(school.root), *command]
            try:
                taken, lines = seconds(whole, given.times)
            except subprocess.CalledProcessError as error:
                print(json.dumps({"command": " ".join(command), "error": error.returncode}))
                continue
            print(json.dumps({
                "command": " ".join(command), "s": round(taken, 3),
                "of_python": round(taken / python, 1), "lines": lines,
            }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
