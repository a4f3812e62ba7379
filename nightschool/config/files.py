"""Files that are whole or not there, also after a crash or a power cut."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

_NO_ROOM = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
# As safetensors, SQLite and our own errors say it.
_IN_WORDS = ("No space left", "disk is full", "disk full or read-only")
# On Windows a virus scanner or an indexer may have a fresh file open for a moment.
_HELD_S = 2.0 if os.name == "nt" else 0.0


def no_room(error: BaseException) -> bool:
    """Whether something failed because the disk is full or read-only."""
    return getattr(error, "errno", None) in _NO_ROOM or any(w in str(error) for w in _IN_WORDS)


NOT_YOURS = "it seems to belong to somebody else: work as its owner, or make it yours"


def denied(error: BaseException) -> bool:
    """Whether this user may not do it; on Windows a file that is in use is something else."""
    return isinstance(error, PermissionError) and getattr(error, "winerror", None) in (None, 5)


def forbidden(path: Path) -> bool:
    """Whether this user may not write a file or folder that is there, though its disk can be written."""
    if not path.exists() or os.access(path, os.W_OK):
        return False
    return sys.platform == "win32" or not os.statvfs(path).f_flag & os.ST_RDONLY


def write(file: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Put a file, text as UTF-8, on the disk: until it is there, what was there before stays.

    Folders that are missing are made. `durable=False` waits for no disk: only for what may be lost.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(file.name + ".tmp")
    aside.write_bytes(content.encode() if isinstance(content, str) else content)
    if durable:
        sync(aside)
    replace(aside, file)
    if durable:
        sync(file.parent)


def replace(aside: Path, final: Path) -> None:
    """Rename a file or folder, a file over what is there; one that is held is waited for."""
    deadline = time.monotonic() + _HELD_S
    while True:
        try:
            os.replace(aside, final)
            return
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)


def sync_tree(folder: Path) -> None:
    """Force a folder, and all that is in it, to the disk."""
    for path in folder.iterdir():
        sync_tree(path) if path.is_dir() else sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Force a file's or folder's content to the disk; not every system opens folders for that."""
    is_folder = path.is_dir()
    try:
        handle = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    except OSError:
        if is_folder:
            return
        raise
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
