"""What `nightschool work` costs while nothing trains: processor time and memory.

    python benchmarks/idle_work.py --minutes 10

Three workers side by side, each a process of its own with a school of its own: with nothing queued, with a
run that waits for its window (the signals are not read), and with one that a rule holds back inside
its window (they are read every second). One JSON line each: per cent of one core over the time, and
the resident and the unique set size in MB at its end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import psutil

CASES = ("nothing queued", "waits for its window", "held back inside its window")


def school(root: Path, case: str) -> Path:
    """A school with a run in that case; a program that always runs holds the last one back."""
    root.joinpath("notes", "lesson").mkdir(parents=True)
    root.joinpath("notes", "lesson", "one.md").write_text("First restore.", encoding="utf-8")
    noon = datetime.now() + timedelta(hours=12 if case == CASES[1] else -1)
    start, end = f"{noon:%H:%M}", f"{noon + timedelta(hours=2):%H:%M}"
    root.joinpath("nightschool.toml").write_text(
        f'preset = "cpu-demo"\nbase = "demo"\n[night]\nstart = "{start}"\nend = "{end}"\n'
        f"exclusive = [{json.dumps(psutil.Process().name())}]\nidle_minutes = 0\n",
        encoding="utf-8",
    )
    if case != CASES[0]:
        command = [
            sys.executable,
            "-P",
            "-m",
            "nightschool",
            "--school",
            str(root),
            "run",
            "--tonight",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return root


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workers = []
        for number, case in enumerate(CASES):
            root = school(Path(folder, str(number)), case)
            command = [sys.executable, "-P", "-m", "nightschool", "--school", str(root), "work"]
            workers.append(psutil.Popen(command, stdout=subprocess.DEVNULL))
        time.sleep(5)  # started
        before = [sum(worker.cpu_times()[:2]) for worker in workers]
        time.sleep(given.minutes * 60)
        for case, worker, used in zip(CASES, workers, before, strict=True):
            memory = worker.memory_full_info()
            share = (sum(worker.cpu_times()[:2]) - used) / (given.minutes * 60)
            print(json.dumps({
                "case": case, "percent_of_a_core": round(100 * share, 2),
                "resident_mb": round(memory.rss / 1e6, 1), "unique_mb": round(memory.uss / 1e6, 1),
            }), flush=True)  # fmt: skip
            worker.terminate()
            worker.wait()


if __name__ == "__main__":
    main()
