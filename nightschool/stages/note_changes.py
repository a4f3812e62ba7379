"""What changed in the notes since a run read them, for the retraining check; in a child process."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from nightschool.config.errors import NotesError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.notes.fingerprint import notes_fingerprint
from nightschool.notes.labels import read_labels, with_labels
from nightschool.notes.new_notes import NewNotes, compare, labelled
from nightschool.notes.notes_places import notes_places
from nightschool.notes.readers import read_school
from nightschool.stages.known_notes import known_to


class NoteChanges(BaseModel):
    """The notes' fingerprint and, if it changed, what is new; or a problem, in one line."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str = ""
    news: NewNotes | None = None
    problem: str = ""


def changes_since(
    school: School, settings: Settings, run: int, last_fingerprint: str
) -> NoteChanges:
    """Compare the notes with those that `run` read, unless their fingerprint is still the last one.

    Memory: the notes' texts, once; if the fingerprint did not change, the names of one folder.
    """
    try:
        # Taken before the notes are read: the next check sees what changes meanwhile.
        current = settings.notes.model_dump_json()
        for place in notes_places(school.root, settings.notes):
            current = notes_fingerprint(place.path, school.labels_file, extra=current)
        if current == last_fingerprint:
            return NoteChanges(fingerprint=current)
        before = known_to(school, run)
        loaded = with_labels(
            read_school(school.root, settings), read_labels(school.labels_file), settings.kinds
        )
    except NotesError as error:
        return NoteChanges(problem=str(error))
    news = compare(run, before, labelled(loaded.notes))
    return NoteChanges(fingerprint=current, news=news)
