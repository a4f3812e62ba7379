"""Where the notes of a school are: one or several folders or tables, and the files in them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

from nightschool.config.errors import NotesError, NotesUnavailable
from nightschool.config.notes_settings import NotesSettings
from nightschool.config.printable import without_controls
from nightschool.notes.exclusion import Exclusion
from nightschool.notes.folder_scan import TABLE_SUFFIXES, NoteFile, scan
from nightschool.notes.note import Skipped

_MISSING = "connect its drive, or set notes.folder in nightschool.toml"


@dataclass(frozen=True, slots=True)
class NotesPlace:
    """A folder of notes, or a single file."""

    path: Path
    name: str = ""
    """What tells its notes from those of other places: the path as the settings write it; "" if alone."""

    def prefix(self) -> str:
        """What the sources of its notes begin with."""
        if self.name and not self.path.is_dir():
            return self.name[: -len(self.path.name)]
        return self.name and f"{self.name}/"


Places = Path | Sequence[NotesPlace]
"""A single place, or those of a school."""


def notes_places(root: Path, settings: NotesSettings) -> tuple[NotesPlace, ...]:
    """The places with the notes of the school in `root`."""
    paths = [Path(folder) for folder in settings.folders]
    return tuple(
        NotesPlace(
            root / path.expanduser(),
            without_controls(path.as_posix()) if len(paths) > 1 else "",
        )
        for path in paths
    )


def as_places(places: Places) -> Sequence[NotesPlace]:
    """The places of which there may be only one."""
    return (NotesPlace(places),) if isinstance(places, Path) else places


def in_words(places: Places) -> str:
    """'/home/me/notes and /media/usb/work'."""
    return " and ".join(str(place.path) for place in as_places(places))


def file_of(places: Places, source: str) -> Path | None:
    """The file of a note that is a file or a section; None if there is none."""
    for place in as_places(places):
        for name in (source, source.rpartition("#")[0]):
            file = place.path / name.removeprefix(place.prefix())
            if name.startswith(place.prefix()) and file.is_file():
                return file
    return None


def check_apart(places: Sequence[NotesPlace]) -> None:
    """Raise NotesError if a place is named twice, or lies in another."""
    remedy = "remove one of them from notes.folder"
    real = [Path(os.path.realpath(place.path)) for place in places]
    for one, other in permutations(range(len(places)), 2):
        inner, outer = places[one].path, places[other].path
        if _same(real[one], real[other]):
            raise NotesError(f"{inner} and {outer} are the same place", remedy)
        if any(_same(parent, real[other]) for parent in real[one].parents):
            raise NotesError(f"{inner} lies in {outer}, so its notes would be read twice", remedy)


def _same(path: Path, other: Path) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):  # one is not there
        return os.path.normcase(path) == os.path.normcase(other)


def files_at(
    place: NotesPlace, settings: NotesSettings, labelled: bool
) -> Iterator[NoteFile | Skipped]:
    """The files to read at a place, and what is skipped there.

    Raises NotesError if a single file is to be `labelled` and is no table, NotesUnavailable if there is
    nothing: of several, one may be the mount point of a drive that is not connected, an empty folder.
    """
    path, prefix = place.path, place.prefix()
    if path.is_dir():
        empty = bool(place.name)
        for entry in scan(str(path), Exclusion(settings.include, settings.exclude)):
            empty = False
            source = prefix + entry.source
            if isinstance(entry, Skipped):
                yield replace(entry, source=source)
            else:
                yield NoteFile(entry.path, source, entry.size, prefix)
        if empty:
            raise NotesUnavailable(f"there are no notes in {path}", _MISSING)
    elif path.is_file():
        if labelled and path.suffix.lower() not in TABLE_SUFFIXES:
            raise NotesError(
                f"{path} is not a notes folder", "choose a folder, or a .jsonl or .csv file"
            )
        source = prefix + without_controls(path.name)
        yield NoteFile(str(path), source, path.stat().st_size, prefix, is_whole=True)
    else:
        raise NotesUnavailable(f"there are no notes at {path}", _MISSING)
