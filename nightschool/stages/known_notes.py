"""Which labelled notes a run has read; all others are new to it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter

from nightschool.config import files
from nightschool.config.errors import DamagedFile, LearningError, NotesError, first_line
from nightschool.config.paths import School
from nightschool.ledger.recorded_files import recorded_files
from nightschool.notes.dataset import Item, read_own
from nightschool.notes.new_notes import labelled
from nightschool.notes.note import LoadedNotes
from nightschool.notes.splits import Split
from nightschool.stages.context import write_json
from nightschool.stats.stage_results import PrepResult, read_record

_LEFT_OUT = "left_out.json"
_KINDS_BY_ID = TypeAdapter(dict[str, str])


def write_left_out(folder: Path, loaded: LoadedNotes, used: Iterable[Item]) -> None:
    """Record the labelled notes that were read but are in no split (see `splits.assign`).

    Otherwise every retraining check would count them as new.
    """
    write_json(folder / _LEFT_OUT, left_out(loaded, used))


def left_out(loaded: LoadedNotes, used: Iterable[Item]) -> dict[str, str]:
    """Content id to kind of the labelled notes that are in no split."""
    ids = {item.id for item in used}
    return {id_: kind for id_, kind in labelled(loaded.notes).items() if id_ not in ids}


def known_to(school: School, run: int) -> dict[str, str]:
    """Content id to kind of the labelled notes that a run read. Raises NotesError."""
    folder, recorded = school.run_folder(run), recorded_files(school, run)
    try:
        used = read_used(school, run)
        recorded.check(folder / _LEFT_OUT)
        return {**_read_left_out(folder / _LEFT_OUT), **{i: kind for i, (kind, _) in used.items()}}
    except DamagedFile as error:
        problem, hint = error.message, error.hint
    except (LearningError, OSError, ValueError) as error:
        problem, hint = first_line(error), "start a new run"
    raise NotesError(f"the notes that run {run} read are no longer recorded ({problem})", hint)


def read_used(school: School, run: int) -> dict[str, tuple[str, Split]]:
    """Content id to kind and split of the notes in a run's dataset, without augmented ones.

    Raises DamagedFile, LearningError.
    """
    file, recorded = school.run_folder(run) / "prep.json", recorded_files(school, run)
    recorded.check(file)
    folder = school.datasets / read_record(file, PrepResult).dataset
    recorded.check_folder(folder)
    return read_own(folder)


def _read_left_out(file: Path) -> dict[str, str]:
    """Content id to kind; empty for runs of versions that did not record it."""
    try:
        return _KINDS_BY_ID.validate_json(files.read(file))
    except FileNotFoundError:
        return {}
