"""How a school grows over many nights of retraining: bytes on the disk by what they are for.

    python benchmarks/growth.py --nights 100

Needs no GPU and no network. Each night three notes are added and a whole run is recorded. The first run's
stages are performed with the given base, in this process instead of a child's. Later runs freeze their own
dataset and take over the files of its other stages, which are as large each night. Every tenth model is
promoted. Prints one JSON line every ten nights. `--keep 0` keeps the models and datasets of old runs;
`--unpruned` deletes nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.config.settings_file import load
from nightschool.config.settings_template import template
from nightschool.jobs.pruning import prune
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import StageName, Timing
from nightschool.stages.run_stage import run_stage

KINDS = ("decision", "lesson", "none")
WORDS = Path(__file__).read_text("utf-8").split()
PARENT = cast(
    Any,
    SimpleNamespace(
        born=time.monotonic(),
        say=lambda *_: None,
        progress=lambda *_: None,
        should_stop=lambda: False,
    ),
)


def add_notes(folder: Path, number: int, each: int) -> None:
    """Add `each` notes of every kind."""
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for place in range(each):
            words = random.Random(f"{number} {kind} {place}").choices(WORDS, k=40)
            text = f"{kind}: {' '.join(words)}"
            (folder / kind / f"{number}-{place}.md").write_text(text, encoding="utf-8")


def perform(school: School, settings: Settings, first: Path, keep: int | None) -> int:
    """Record a whole run, as a worker does; `first` holds the files of the first one once it is done."""
    taken_over = first.exists()
    with Ledger(school.ledger_file, durable=False) as ledger:
        run = ledger.add_run(settings.model_dump(), StageName.COMPARE, Timing.TONIGHT).id
        while claim := ledger.claim(run, "growth"):
            if taken_over and claim.stage is StageName.BASELINE:
                shutil.copytree(first / "run", school.run_folder(run), dirs_exist_ok=True)
                shutil.copytree(first / "model", school.model_folder(run))
            ending = run_stage(school, run, claim.stage, PARENT)
            if ending.outcome is Outcome.FINISHED and ending.result:
                if claim.stage is StageName.COMPARE and not taken_over:
                    prepared = shutil.ignore_patterns("prep.json", "left_out.json")
                    shutil.copytree(school.run_folder(run), first / "run", ignore=prepared)
                    shutil.copytree(school.model_folder(run), first / "model")
                ledger.finish(claim, ending.result.model_dump(mode="json"))
            else:
                ledger.interrupt(claim, ending.outcome, ending.reason)
            if keep is not None and taken_over:
                prune(school, ledger, keep)
    return run


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nights", type=int, default=100)
    parser.add_argument("--base", default="demo")
    parser.add_argument("--keep", type=int, default=10)
    parser.add_argument("--unpruned", action="store_true")
    given = parser.parse_args()
    keep = None if given.unpruned else given.keep
    with tempfile.TemporaryDirectory() as folder:
        school, first = School(Path(folder, "school")), Path(folder, "first")
        train = {"epochs": 1.0, "checkpoint_minutes": 0.02}
        tables = {"preset": "cpu-demo", "base": given.base, "train": train}
        add_notes(school.root / "notes", 0, 12)
        ladder = {"arms": ["majority"]}
        text = template({**tables, "ladder": ladder})
        school.settings_file.write_text(text, encoding="utf-8")
        settings = load(school.settings_file)
        began = time.monotonic()
        for night in range(1, given.nights + 1):
            add_notes(school.root / "notes", night, 1)
            run = perform(school, settings, first, keep)
            if night % 10 == 1:
                with Ledger(school.ledger_file) as ledger:
                    ledger.promote(run)
            if night % 10 == 0 or night < 3:
                folders = [part for part in sorted(school.state.iterdir()) if part.is_dir()]
                parts = {part.name: size(part) for part in folders}
                parts |= {"ledger": school.ledger_file.stat().st_size, "all": size(school.state)}
                seconds = round(time.monotonic() - began)
                print(json.dumps({"night": night, "s": seconds, **parts}), flush=True)


if __name__ == "__main__":
    main()
