"""Which labelled notes a run has read; all others are new to it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from nightschool.config.errors import NotesError
from nightschool.config.paths import School
from nightschool.notes.dataset import Item, read_own
from nightschool.notes.new_notes import labelled
from nightschool.notes.note import LoadedNotes
from nightschool.stages.context import write_json

_LEFT_OUT = "left_out.json"


def write_left_out(folder: Path, loaded: LoadedNotes, own: Iterable[Item]) -> None:
    """Record which labelled notes were read but are not in the dataset (see `splits.assign`).

    Otherwise each retraining check would report them as new.
    """
    used = {item.id for item in own}
    left_out = {id_: kind for id_, kind in labelled(loaded.notes).items() if id_ not in used}
    write_json(folder / _LEFT_OUT, left_out)


def known_to(school: School, run: int) -> dict[str, str]:
    """Content id -> kind of the labelled notes that a run read. Raises NotesError."""
    folder = school.run_folder(run)
    try:
        prepared = json.loads((folder / "prep.json").read_text("utf-8"))
        left_out = folder / _LEFT_OUT  # absent in runs of earlier versions
        more = json.loads(left_out.read_text("utf-8")) if left_out.exists() else {}
        used = read_own(school.datasets / prepared["dataset"])
        return {**more, **{id_: kind for id_, (kind, _) in used.items()}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotesError(
            f"the notes that run {run} read are no longer recorded ({error})", "start a new run"
        ) from None
