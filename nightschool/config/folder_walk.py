"""All folders below a folder, however deep they are: found, and removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk` from the top, which calls itself for every level before Python 3.12.

    Yields (path, folders, other names); names removed from `folders` are left out, links are not followed, and
    what cannot be read counts as empty.
    """
    pending = [str(folder)]
    while pending:
        path = pending.pop()
        folders: list[str] = []
        others: list[str] = []
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    (folders if entry.is_dir(follow_symlinks=False) else others).append(entry.name)
        except OSError:
            continue
        yield path, folders, others
        pending += (os.path.join(path, name) for name in reversed(folders))


def remove_tree(folder: Path) -> None:
    """Remove a folder and everything in it. Raises OSError."""
    import shutil  # lazy: shutil

    try:
        shutil.rmtree(folder)
    except (RecursionError, OSError):  # it needs a call and a handle for every level
        for path, _, names in reversed(list(walk(folder))):
            for name in names:
                os.unlink(os.path.join(path, name))
            os.rmdir(path)
