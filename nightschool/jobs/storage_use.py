"""What takes room on the disk in a school: bytes by run, model, dataset, cache, logs and ledger."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from nightschool.config.folder_walk import walk
from nightschool.config.paths import School


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part of a school: its path in `.nightschool`, with "/", and the bytes of its files."""

    path: str
    bytes: int


def bytes_of(path: Path) -> int:
    """The bytes of a file, or of all files in a folder; links are not followed. 0 if it is absent."""
    files = [Path(folder, name) for folder, _, names in walk(path) for name in names]
    return sum(map(_size, files or [path]))


def _size(file: Path) -> int:
    try:
        about = file.lstat()
    except OSError:  # deleted meanwhile
        return 0
    return 0 if stat.S_ISDIR(about.st_mode) else about.st_size


def storage_use(school: School) -> list[StoredPart]:
    """The parts of `.nightschool`: each run, model, dataset and quantised base, and every other file."""
    parts = []
    for path in sorted(school.state.iterdir()) if school.state.is_dir() else []:
        if path in (school.state / "runs", school.models, school.datasets, school.quantised):
            parts += [
                StoredPart(f"{path.name}/{below.name}", bytes_of(below)) for below in _in(path)
            ]
        else:
            parts.append(StoredPart(path.name, bytes_of(path)))
    return parts


def _in(folder: Path) -> list[Path]:
    """The content of a folder, with run 9 before run 10."""
    return sorted(folder.iterdir(), key=lambda path: (len(path.name), path.name))
