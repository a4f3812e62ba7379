"""What kind of file system a folder is on, and whether locks and renames work there."""

from __future__ import annotations

import functools
import os
import secrets
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nightschool.config import current_folder, files
from nightschool.config.errors import UnsafeFileSystem

# File systems of Linux that one kernel alone writes. Any other may be shared with another computer, with the
# system outside a virtual machine (9p, virtiofs, drvfs), or mounted twice (every kind of FUSE).
_LOCAL = frozenset({
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "nilfs2", "overlay",
    "aufs", "tmpfs", "ramfs", "ecryptfs", "vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk", "hfsplus",
    "ubifs", "squashfs", "erofs", "iso9660", "udf",
})  # fmt: skip
_DRIVE_REMOTE = 4
# Folders that a program copies to other computers, file by file and at any time.
_SYNCHRONISED = ("dropbox", "onedrive", "google drive", "googledrive", "icloud", "mobile documents",
                 "nextcloud", "owncloud", "pcloud", "my drive", "creative cloud files")  # fmt: skip
SYNCHRONISED = (
    "copies this folder to other computers: work on one at a time, and let it finish copying before"
)
"""What to know of a folder for which `synchronised_by` names a program."""
_PROBE_LIMIT_S = 20.0
_MOVE = "keep the school on a local disk (`nightschool init FOLDER --notes PATH`; the notes may stay there)"


@dataclass(frozen=True, slots=True)
class FileSystem:
    """`name` is the system's name of its kind; `local`: only this computer writes it, so its locks hold."""

    name: str
    local: bool


@functools.lru_cache(maxsize=8)
def file_system(folder: Path) -> FileSystem:
    """The file system of a folder, or of the nearest one above it that exists."""
    path = folder.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    path = path.resolve()
    if sys.platform == "win32":
        return _on_windows(path)
    if sys.platform == "linux":
        return _on_linux(path, Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape"))
    import psutil  # lazy: psutil

    # macOS: the options have MNT_LOCAL as "local"; FUSE says so, too.
    return _nearest(
        path,
        [
            (
                part.mountpoint,
                part.fstype,
                "local" in part.opts.split(",") and "fuse" not in part.fstype,
            )
            for part in psutil.disk_partitions(all=True)
        ],
    )


def _on_linux(path: Path, mountinfo: str) -> FileSystem:
    mounts = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].encode("utf-8", "surrogateescape")
        name = after.split(" ")[0]
        # Spaces and the like are octal there.
        decoded = point.decode("unicode_escape").encode("latin-1") if b"\\" in point else point
        mounts.append((os.fsdecode(decoded), name, name in _LOCAL))
    return _nearest(path, mounts)


def _nearest(path: Path, mounts: list[tuple[str, str, bool]]) -> FileSystem:
    """The last of the mounts with the longest path above `path`."""
    found, length = FileSystem("unknown", False), -1
    for point, name, local in mounts:
        depth = len(Path(point).parts)
        if depth >= length and path.is_relative_to(point):
            found, length = FileSystem(name, local), depth
    return found


def _on_windows(path: Path) -> FileSystem:
    """Not run on Windows yet."""
    import ctypes  # lazy: ctypes

    if path.drive.startswith("\\\\"):
        return FileSystem("a network folder", False)
    kind = ctypes.windll.kernel32.GetDriveTypeW(f"{path.drive}\\")  # type: ignore[attr-defined, unused-ignore]
    return FileSystem(
        "a network drive" if kind == _DRIVE_REMOTE else "a local drive", kind != _DRIVE_REMOTE
    )


def synchronised_by(folder: Path) -> str:
    """The part of a path that names a program which copies folders to other computers; "" if none does."""
    for part in folder.absolute().parts:
        if part.lower().startswith(_SYNCHRONISED):
            return part
    return ""


def check_file_system(folder: Path) -> None:
    """Try, with another process, what a ledger needs of a folder's file system, unless that is local.

    Leaves nothing behind. Raises UnsafeFileSystem, or OSError if the folder cannot be written.
    """
    if file_system(folder).local:
        return
    trial = folder.absolute() / f"trial-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        with suppress(FileExistsError):
            os.close(os.open(trial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        problem = _problem(trial)
    finally:
        files.discard(trial)
    if problem:
        name = file_system(folder).name
        raise UnsafeFileSystem(f"{folder} is on a file system ({name}) where {problem}", _MOVE)


def _problem(trial: Path) -> str:
    """What does not work with a new empty file, as the end of a sentence; "" if everything does."""
    try:
        os.close(os.open(trial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        return "a file can be created twice"
    except FileExistsError:
        pass
    files.write(trial, b"new")
    if files.read(trial) != b"new":
        return "a file cannot be replaced"
    import filelock  # lazy: filelock

    try:
        with filelock.FileLock(trial, timeout=0):
            code = _try_elsewhere(trial)
    except (OSError, NotImplementedError) as error:
        return f"locks do not work ({getattr(error, 'strerror', None) or error})"
    if code == _TAKEN:
        return "another process does not see a lock"
    return (
        "" if code == _HELD else f"a lock could not be tried (the other process ended with {code})"
    )


_HELD, _TAKEN = 10, 11
_TRIAL = f"""
import sys, filelock
try:
    with filelock.FileLock(sys.argv[1], timeout=0): sys.exit({_TAKEN})
except filelock.Timeout: sys.exit({_HELD})
"""


def _try_elsewhere(trial: Path) -> int:
    command = current_folder.python("-c", _TRIAL, str(trial))
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_PROBE_LIMIT_S, check=False,
            cwd=current_folder.NEUTRAL_FOLDER,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return -1
    return done.returncode
