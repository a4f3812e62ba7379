"""A look at the notes, in a child process: has anything changed, and what is new in it?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nightschool.config.errors import NotesError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.notes.fingerprint import fingerprint
from nightschool.notes.labels import read_labels, with_labels
from nightschool.notes.new_notes import compare, labelled
from nightschool.notes.readers import notes_path, read_school
from nightschool.stages.known_notes import known_to


def look(school: School, settings: Settings, run: int, seen: str) -> dict[str, Any]:
    """Compare the notes with those that `run` read, unless their fingerprint is still `seen`.

    Returns `fingerprint`, and `news` (see `notes.new_notes.News`) where it changed; or `problem`, one line.
    Memory: the notes' texts, once, and where it did not change, the names of one folder.
    """
    try:
        # Taken before they are read: what changes meanwhile is seen at the next look.
        path = notes_path(school.root, settings)
        found = fingerprint(path, school.labels_file, said=settings.notes.model_dump_json())
        if found == seen:
            return {"fingerprint": found}
        before = known_to(school, run)
        reading = with_labels(read_school(school.root, settings), read_labels(school.labels_file))
    except NotesError as error:
        return {"problem": str(error)}
    return {"fingerprint": found, "news": asdict(compare(run, before, labelled(reading.notes)))}
