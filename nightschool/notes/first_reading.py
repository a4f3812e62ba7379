"""A first look at notes: what names their kinds, and what reading them would stumble over."""

from __future__ import annotations

from dataclasses import dataclass

from nightschool.config.errors import NotesError
from nightschool.config.settings import NotesSettings
from nightschool.notes.kind_resolution import Unresolved
from nightschool.notes.note import Skipped
from nightschool.notes.notes_places import Places, as_places
from nightschool.notes.readers import NotesReader, OnProgress


@dataclass(frozen=True, slots=True)
class NotesSeen:
    """What a first look found: notes without their kinds, and what a school's reading would stumble over."""

    notes: tuple[Unresolved, ...]
    skipped: tuple[Skipped, ...]
    broken: dict[str, str]
    """Tables that cannot be read, with the reason: in a folder, each would end the reading."""
    files: int
    """Of which `files_read` were read."""
    files_read: int


def look_through(
    places: Places,
    settings: NotesSettings,
    *,
    most_files: int,
    on_progress: OnProgress | None = None,
) -> NotesSeen:
    """Read notes with everything that may name their kinds, of very many files `most_files` at even distances.

    Raises NotesError if a place is a table that cannot be read, NotesUnavailable if there is nothing.
    """
    reader = NotesReader(settings, True, on_progress)
    files = reader.find_files(as_places(places))
    chosen = files[:: 1 + (len(files) - 1) // most_files] if files else []
    broken = {}
    for file in chosen:
        before = len(reader.notes)
        try:
            reader.read_file(file)
        except NotesError as error:
            if file.is_whole:
                raise
            broken[file.source.removeprefix(file.prefix)] = str(error)
            del reader.notes[before:]
    reader.complete_joplin_notes()
    notes, skipped = tuple(reader.notes), tuple(reader.skipped)
    return NotesSeen(notes, skipped, broken, len(files), len(chosen))
