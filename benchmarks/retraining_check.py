"""Seconds and memory of a retraining check of 100,000 notes, and of a file watcher instead.

    python benchmarks/retraining_check.py                       # writes 400 MB below --work once
    python benchmarks/retraining_check.py --notes 20000 --folders 200

The notes are those of read_notes.py, in folders by kind and month. The arms: `walk` computes the
fingerprint alone; `unchanged` is the worker's whole check, with its child process, if nothing changed;
`changed` is the same if one note changed, so that all notes are read and compared with those of the last
run; `watchdog` (if that library is installed) is the start of its observer. Each arm runs in its own process
and prints one JSON line. `peak_mb` is the peak memory of the process that does the work.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from read_notes import made_notes

from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.config.settings_template import template
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing

ARMS = ("walk", "unchanged", "changed", "watchdog")


def place(work: Path, count: int, folders: int) -> School:
    """A school whose run 1 has read its notes."""
    school = School(work / f"school-{count}-{folders}")
    if school.ledger_file.exists():
        return school
    from nightschool.notes.dataset import Dataset, Item, fingerprint_of, write
    from nightschool.notes.new_notes import labelled
    from nightschool.notes.readers import read_school
    from nightschool.notes.splits import Split
    from nightschool.stages.context import write_json

    for number, (text, kind, _) in enumerate(made_notes(count)):
        folder = school.root / "notes" / (kind or "inbox") / f"{number % max(1, folders // 5):04d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.md").write_text(text, encoding="utf-8")
    school.settings_file.write_text(template({"preset": "cpu-demo"}), encoding="utf-8")
    kinds = labelled(read_school(school.root, Settings()).notes)
    items = tuple(
        Item(id_, "x" * 800, kind, Split.TRAIN, "") for id_, kind in sorted(kinds.items())
    )
    dataset = Dataset(items, tuple(sorted(set(kinds.values()))), fingerprint_of(items), ())
    write(dataset, school.datasets / "all")
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run(Settings().model_dump(), StageName.COMPARE, Timing.NOW).id
        write_json(school.run_folder(run) / "prep.json", {"dataset": "all"})
        while claim := ledger.claim(run, "benchmark"):
            ledger.finish(claim, {})
    return school


def measure(arm: str, school: School) -> dict[str, Any]:
    began = time.perf_counter()
    if arm == "watchdog":
        from watchdog.events import FileSystemEventHandler
        from watchdog.observers import Observer

        bare = peak_mb(resource.RUSAGE_SELF)
        began = time.perf_counter()
        observer = Observer()
        observer.schedule(FileSystemEventHandler(), str(school.root / "notes"), recursive=True)
        observer.start()
        seconds = time.perf_counter() - began
        threads = [
            line for line in Path("/proc/self/status").read_text().split("\n") if "Threads" in line
        ]
        mb = peak_mb(resource.RUSAGE_SELF)
        return {"seconds": seconds, "more_mb": round(mb - bare), "peak_mb": mb, "threads": threads}
    if arm == "walk":
        from nightschool.notes.fingerprint import notes_fingerprint

        began = time.perf_counter()
        notes_fingerprint(school.root / "notes", school.labels_file)
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "peak_mb": peak_mb(resource.RUSAGE_SELF)}
    from nightschool.jobs.note_check import read_note_check
    from nightschool.jobs.retraining import check_notes

    if arm == "changed":
        (note,) = sorted((school.root / "notes/none/0000").iterdir())[:1]
        note.write_text(f"{time.time()} another text", encoding="utf-8")
    began = time.perf_counter()
    check_notes(school, time.time())
    seconds = time.perf_counter() - began
    seen = read_note_check(school.seen_file)
    assert seen.news and not seen.problem, seen.problem
    found = {"new": seen.news.new, "labelled": seen.news.now}
    worker = peak_mb(resource.RUSAGE_SELF)
    return {
        "seconds": seconds,
        "peak_mb": peak_mb(resource.RUSAGE_CHILDREN),
        "worker_mb": worker,
        **found,
    }


def peak_mb(who: int) -> int:
    """Peak memory in MB (getrusage counts bytes on macOS, else KiB)."""
    most = resource.getrusage(who).ru_maxrss
    return round(most * (1 if sys.platform == "darwin" else 1024) / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--arm", action="append", choices=ARMS)
    parser.add_argument("--notes", type=int, default=100_000)
    parser.add_argument("--folders", type=int, default=1000)
    parser.add_argument("--work", type=Path, default=Path("/tmp/nightschool-retraining-check"))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        school = place(given.work, given.notes, given.folders)
        if not given.arm:
            return
        (arm,) = given.arm
        found = measure(arm, school)
        print(json.dumps({"arm": arm, **found, "seconds": round(found["seconds"], 2)}), flush=True)
        return
    same = [
        sys.executable,
        __file__,
        "--here",
        "--notes",
        str(given.notes),
        "--folders",
        str(given.folders),
    ]
    # In a process of its own: a child's peak memory begins with that of its parent.
    subprocess.run([*same, "--work", str(given.work)], check=True)
    # The check before `unchanged` reads everything and stores the fingerprint for the next one.
    for arm in given.arm or ("changed", *ARMS):
        subprocess.run([*same, "--work", str(given.work), "--arm", arm], check=arm != "watchdog")


if __name__ == "__main__":
    main()
