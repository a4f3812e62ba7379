"""A fingerprint of the note files that changes when any file does; no file is opened."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from nightschool.config.errors import NotesUnavailable
from nightschool.notes.folder_scan import NOTE_SUFFIXES, is_link, unreadable


def notes_fingerprint(path: Path, *others: Path, extra: str = "") -> str:
    """A hash of the paths, sizes and modification times (ns) of all note files below `path`.

    `path` may be a single file. `others` are further files, which may be missing; `extra` is further
    text, such as the settings for reading. Raises NotesUnavailable if `path` does not exist or cannot be
    read; a folder below it that cannot be read is hashed as unreadable. Memory: the names in one folder.
    """
    digest = hashlib.blake2b(extra.encode(), digest_size=16)
    try:
        lines = _lines(str(path)) if path.is_dir() else iter([_line("", os.stat(path))])
        for line in lines:
            digest.update(line)
    except FileNotFoundError:
        raise NotesUnavailable(
            f"there are no notes at {path}",
            "connect its drive, or set notes.folder in nightschool.toml",
        ) from None
    except OSError as error:
        raise NotesUnavailable(f"{path} {unreadable(error)}") from None
    for other in others:
        try:
            digest.update(_line("", os.stat(other)))
        except OSError:
            digest.update(b"?")
    return digest.hexdigest()


def _lines(root: str) -> Iterator[bytes]:
    """A line for each note file, folder by folder. Raises OSError if `root` cannot be read."""
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
                continue  # deleted since the folder was listed, or a dangling link
            if entry.name.lower().endswith(NOTE_SUFFIXES) and stat.S_ISREG(status.st_mode):
                yield _line(name, status)


def _line(name: str, status: os.stat_result) -> bytes:
    text = f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n"
    return text.encode("utf-8", "surrogatepass")
