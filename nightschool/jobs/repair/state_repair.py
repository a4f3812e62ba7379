"""The files without a record: the split assignments, and what may be absent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from nightschool.config import bounded_json, files
from nightschool.config.checksums import verify_checksum
from nightschool.config.errors import DamagedFile, first_line
from nightschool.config.paths import School
from nightschool.jobs.repair.finding import Finding, RepairRemedy
from nightschool.jobs.repair.lost_ledger import put_aside
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName
from nightschool.notes.dataset import Item, load
from nightschool.notes.split_assignments import (
    make_split_assignments,
    read_split_assignments,
)


def repair_split_assignments(
    school: School, ledger: Ledger, aside: Path, dry: bool
) -> Iterator[Finding]:
    """Make damaged split assignments again from the datasets, oldest first."""
    file = school.split_assignments_file
    try:
        read_split_assignments(file)
        return
    except DamagedFile as error:
        problem = error.message.removeprefix(f"{file} ")
    ids = [ledger.stage(run, StageName.PREP).result for run in sorted(ledger.run_numbers())]
    named = [str(result["dataset"]) for result in ids if result and "dataset" in result]
    folders = [school.datasets / name for name in dict.fromkeys(named)]
    folders += [f for f in sorted(school.datasets.glob("*")) if f.is_dir() and f not in folders]
    whole: list[list[Item]] = []
    for folder in folders:
        with suppress(DamagedFile):
            whole.append([item for item in load(folder).items if not item.origin])
    path = file.relative_to(school.state).as_posix()
    if not whole:
        yield Finding(
            path, problem, RepairRemedy.LOST, "no dataset is whole; restore it from a backup"
        )
        return
    if not dry:
        put_aside([file], aside)
        make_split_assignments(file, whole)
    detail = (
        f"{len(whole)} of {len(folders)} datasets; a note that is in none of them counts as new"
    )
    yield Finding(path, problem, RepairRemedy.MADE_AGAIN, detail)


def drop_damaged_state(school: School, aside: Path, dry: bool) -> Iterator[Finding]:
    """Drop damaged caches and small files, which count as absent."""
    small = [school.pace_file, school.seen_file, school.told_file, school.signals_file]
    for file in [*small, *sorted(school.state.glob("runs/*/seconds.json"))]:
        if problem := _problem_of_json(file):
            yield _dropped(school, file, problem, "it only times and remembers", aside, dry)
    for folder in sorted(school.quantised.glob("*")):
        if folder.suffix != ".lock" and (problem := _problem_of_cache(folder)):
            yield _dropped(school, folder, problem, "the base is quantised again", aside, dry)


def _dropped(school: School, path: Path, problem: str, why: str, aside: Path, dry: bool) -> Finding:
    if not dry:
        put_aside([path], aside)
    return Finding(path.relative_to(school.state).as_posix(), problem, RepairRemedy.DROPPED, why)


def _problem_of_json(file: Path) -> str:
    try:
        content = files.read(file)
        verify_checksum(content)
        bounded_json.loads(content)
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        return f"is damaged ({_why(error)})"
    return ""


def _problem_of_cache(folder: Path) -> str:
    """What is wrong with a folder whose `manifest.json` holds the sha256 of each file; "" if nothing is."""
    try:
        sums = bounded_json.read(folder / "manifest.json")["sha256"]
        for name, digest in sums.items():
            if files.sha256(folder / name) != digest:
                return f"is damaged ({name} differs from its sha256)"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"is damaged ({_why(error)})"
    return ""


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or first_line(error)
