"""Which labelled notes a run has read; all others are new to it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter

from nightschool.config.errors import LearningError, NotesError, first_line
from nightschool.config.paths import School
from nightschool.notes.dataset import Item, read_own
from nightschool.notes.new_notes import labelled
from nightschool.notes.note import LoadedNotes
from nightschool.stages.context import write_json
from nightschool.stats.stage_results import PrepResult, read_record

_LEFT_OUT = "left_out.json"
_KINDS_BY_ID = TypeAdapter(dict[str, str])


def write_left_out(folder: Path, loaded: LoadedNotes, used: Iterable[Item]) -> None:
    """Record the labelled notes that were read but are in no split (see `splits.assign`).

    Otherwise every retraining check would count them as new.
    """
    ids = {item.id for item in used}
    left_out = {id_: kind for id_, kind in labelled(loaded.notes).items() if id_ not in ids}
    write_json(folder / _LEFT_OUT, left_out)


def known_to(school: School, run: int) -> dict[str, str]:
    """Content id to kind of the labelled notes that a run read. Raises NotesError."""
    folder = school.run_folder(run)
    try:
        prepared = read_record(folder / "prep.json", PrepResult)
        used = read_own(school.datasets / prepared.dataset)
        return {**_read_left_out(folder / _LEFT_OUT), **{i: kind for i, (kind, _) in used.items()}}
    except (LearningError, OSError, ValueError, KeyError, TypeError) as error:
        raise NotesError(
            f"the notes that run {run} read are no longer recorded ({first_line(error)})",
            "start a new run",
        ) from None


def _read_left_out(file: Path) -> dict[str, str]:
    """Content id to kind; empty for runs of versions that did not record it."""
    try:
        return _KINDS_BY_ID.validate_json(file.read_bytes())
    except FileNotFoundError:
        return {}
