"""Whether anything changed among the notes: a walk that opens no file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from nightschool.config.errors import NotesError
from nightschool.notes.readers import NOTE_SUFFIXES, is_link, unreadable


def fingerprint(path: Path, *others: Path, said: str = "") -> str:
    """Names the paths, sizes and times of change (ns) of all note files below `path` (or of that one file).

    `others` are files that count too, whether they are there or not; `said` is any text that counts, such as
    how the notes are read. Raises NotesError where `path` is not there or cannot be read; a folder
    within it that cannot be read counts as such. Memory: the names of one folder.
    """
    found = hashlib.blake2b(said.encode(), digest_size=16)
    try:
        lines = _lines(str(path)) if path.is_dir() else iter([_line("", os.stat(path))])
        for line in lines:
            found.update(line)
    except FileNotFoundError:
        raise NotesError(
            f"there are no notes at {path}: is its drive connected? Else set notes.folder"
        ) from None
    except OSError as error:
        raise NotesError(f"{path} {unreadable(error)}") from None
    for other in others:
        try:
            found.update(_line("", os.stat(other)))
        except OSError:
            found.update(b"?")
    return found.hexdigest()


def _lines(root: str) -> Iterator[bytes]:
    """A line for each note file, folder by folder; raises OSError where `root` cannot be read."""
    folders = [(root, "")]
    while folders:
        folder, below = folders.pop()
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError:
            if not below:
                raise
            yield f"{below} ?\n".encode("utf-8", "surrogatepass")
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = f"{below}/{entry.name}"
            try:
                status = entry.stat(follow_symlinks=False)
                if is_link(status):
                    status = entry.stat()
                elif stat.S_ISDIR(status.st_mode):
                    folders.append((entry.path, name))
                    continue
            except OSError:
                continue  # gone since the folder was listed, or a link that leads nowhere
            if entry.name.lower().endswith(NOTE_SUFFIXES) and stat.S_ISREG(status.st_mode):
                yield _line(name, status)


def _line(name: str, status: os.stat_result) -> bytes:
    text = f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n"
    return text.encode("utf-8", "surrogatepass")
