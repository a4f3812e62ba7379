"""Atomic writes: a file is complete or absent, even after a crash or a power failure."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

from nightschool.config.errors import DiskFull

_NO_ROOM = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
# The Rust standard library's text for ENOSPC; safetensors passes it on without an error code.
_RUST_NO_ROOM = "No space left"
# On Windows a virus scanner or an indexer may briefly hold a new file open.
_HELD_S = 2.0 if os.name == "nt" else 0.0

NOT_YOURS = "it seems to belong to another user: work as that user, or change who owns it"


def no_room(error: BaseException) -> bool:
    """Whether an error means that the disk is full or read-only."""
    if isinstance(error, DiskFull) or getattr(error, "errno", None) in _NO_ROOM:
        return True
    return _RUST_NO_ROOM in str(error)


def denied(error: BaseException) -> bool:
    """Whether an error means that this user lacks the permission; on Windows, not that a file is in use."""
    return isinstance(error, PermissionError) and getattr(error, "winerror", None) in (None, 5)


def forbidden(path: Path) -> bool:
    """Whether a file or folder exists that this user may not write, although its disk is writable."""
    if not path.exists() or os.access(path, os.W_OK):
        return False
    return sys.platform == "win32" or not os.statvfs(path).f_flag & os.ST_RDONLY


def write(file: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file (text as UTF-8) atomically; the old content stays until the new one is complete.

    Creates missing folders. `durable=False` does not wait for the disk, for files that may be lost.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    if durable:
        sync(temporary)
    replace(temporary, file)
    if durable:
        sync(file.parent)


def replace(temporary: Path, final: Path) -> None:
    """Rename a file or folder, replacing a file; waits briefly if another program holds it open."""
    deadline = time.monotonic() + _HELD_S
    while True:
        try:
            os.replace(temporary, final)
            return
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)


def sync_tree(folder: Path) -> None:
    """Flush a folder and everything in it to the disk."""
    for path in folder.iterdir():
        sync_tree(path) if path.is_dir() else sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Flush a file or folder to the disk; a folder is skipped on systems that cannot open one."""
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
