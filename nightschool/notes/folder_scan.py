"""Which files below a folder are notes, in an order that does not depend on the file system."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nightschool.config.errors import NotesUnavailable, passes
from nightschool.config.paths import LABELS_NAME, SETTINGS_NAME
from nightschool.config.printable import without_controls
from nightschool.notes.exclusion import Exclusion
from nightschool.notes.note import Skipped, SkipReason, skip_message

PROSE_SUFFIXES = (".md", ".markdown", ".txt", ".org")
TABLE_SUFFIXES = (".jsonl", ".csv")
NOTE_SUFFIXES = PROSE_SUFFIXES + TABLE_SUFFIXES
# On Windows, opening the file of a cloud drive would download it: FILE_ATTRIBUTE_OFFLINE, _RECALL_ON_OPEN
# and _RECALL_ON_DATA_ACCESS (Windows SDK, winnt.h).
_NOT_HERE = 0x1000 | 0x40000 | 0x400000


@dataclass(frozen=True, slots=True)
class NoteFile:
    """A file to read; `size` is in bytes."""

    path: str
    source: str
    """What it is called: the path below the notes folder, with `/`, behind the prefix."""
    size: int
    prefix: str = ""
    """Of the place, if there are several."""
    is_whole: bool = False
    """Whether it is all there is at its place."""


def scan(root: str, exclusion: Exclusion) -> Iterator[NoteFile | Skipped]:
    """All files below a folder that are notes, and everything that is skipped.

    Links are followed to files inside the folder only. Raises NotesUnavailable if `root` cannot be read.
    """
    real = os.path.realpath(root)
    excluded: dict[str, str] = {}  # folders, with the pattern
    try:
        open_folders = [_entries(root, "")]
    except OSError as error:
        raise NotesUnavailable(f"{root} {unreadable(error)}") from None
    while open_folders:
        entry, source = next(open_folders[-1], (None, ""))
        if entry is None:
            open_folders.pop()
            continue
        try:
            status = entry.stat(follow_symlinks=False)
            pattern = excluded.get(os.path.dirname(source), "") if excluded else ""
            skipped = _skipped(entry, source, status, real)
            if skipped and not pattern:
                yield skipped
            if skipped:
                continue
            is_folder = stat.S_ISDIR(status.st_mode)
            pattern = pattern or exclusion.pattern(source, folder=is_folder)
            if is_folder:
                open_folders.append(_entries(entry.path, f"{source}/"))
                if pattern:
                    excluded[source] = pattern
            elif pattern:
                yield Skipped(source, SkipReason.EXCLUDED, pattern)
            elif getattr(status, "st_file_attributes", 0) & _NOT_HERE:
                yield Skipped(source, SkipReason.CLOUD)
            else:
                size = entry.stat().st_size if is_link(status) else status.st_size
                yield NoteFile(entry.path, source, size)
        except OSError as error:
            yield skipped_unreadable(source, error)


def is_link(status: os.stat_result) -> bool:
    """Whether it is a symbolic link or, on Windows, a junction."""
    junction = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)
    return stat.S_ISLNK(status.st_mode) or (
        junction is not None and getattr(status, "st_reparse_tag", 0) == junction
    )


def skipped_unreadable(source: str, error: OSError) -> Skipped:
    """A file or folder that the system refuses to read."""
    return Skipped(
        source, SkipReason.UNREADABLE, error.strerror or str(error), passing=passes(error)
    )


def unreadable(error: OSError) -> str:
    """'cannot be read: Permission denied', to follow the name of a file or folder."""
    return skip_message(SkipReason.UNREADABLE, error.strerror or str(error))


def _entries(folder: str, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    return ((entry, prefix + without_controls(entry.name)) for entry in ordered)


def _skipped(
    entry: os.DirEntry[str], source: str, status: os.stat_result, real_root: str
) -> Skipped | None:
    """Why an entry is skipped; None for a folder or file to read."""
    linked = is_link(status)
    if entry.name.startswith("."):
        return Skipped(source, SkipReason.HIDDEN)
    if linked and not Path(os.path.realpath(entry.path)).is_relative_to(real_root):
        return Skipped(source, SkipReason.LINK_OUTSIDE)
    if linked and entry.is_dir():
        return Skipped(source, SkipReason.LINK_TO_FOLDER)
    if stat.S_ISDIR(status.st_mode):
        return None
    if entry.name == LABELS_NAME:
        settings = os.path.join(os.path.dirname(entry.path), SETTINGS_NAME)
        if os.path.isfile(settings):
            return Skipped(source, SkipReason.SCHOOL_FILE)
    suffix = os.path.splitext(entry.name)[1]
    if suffix.lower() not in NOTE_SUFFIXES:
        return Skipped(source, SkipReason.SUFFIX, suffix or "no suffix")
    if linked:
        status = entry.stat()
    # Reading a named pipe would never end.
    return None if stat.S_ISREG(status.st_mode) else Skipped(source, SkipReason.NOT_REGULAR)
