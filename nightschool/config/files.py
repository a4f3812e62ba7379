"""The only way in which the state of a school is written: whole or absent, private, and never through a link.

A file or folder is written aside, under a random name in the same folder, synced, and renamed. After an
error nothing is left of it; what a killed process leaves is removed by `clean`.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from nightschool.config import permissions
from nightschool.config.errors import DiskFull, FileBusy
from nightschool.config.folder_walk import remove_tree, walk
from nightschool.config.paths import STATE_NAME

READ_LIMIT = 1 << 28
"""The most bytes that `read` returns."""

_NO_ROOM = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
# The Rust standard library's text for ENOSPC; safetensors passes it on without an error code.
_RUST_NO_ROOM = "No space left"
# On Windows a virus scanner or an indexer may briefly hold a new file open.
_HELD_S = 2.0 if os.name == "nt" else 0.0
_LOCKED_AFTER_S = 10.0
# The process that writes it, and a random part.
_TEMPORARY = re.compile(r"\.(?:(\d+)-[0-9a-f]{8}\.)?tmp$")
_TEMPORARY_PART = re.compile(r"\.\d+-[0-9a-f]{8}\.tmp(?=$|[/\\])")
# Windows has no such flags, and 0 changes nothing. O_NONBLOCK: a FIFO must not hang whoever opens it.
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_PLAIN = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_JUNCTION = 0xA0000003
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


def read(file: Path, limit: int = READ_LIMIT) -> bytes:
    """The content of a regular file. Raises OSError at once for a FIFO, a device, a folder or a larger file."""
    with _named(file), open_regular(file) as stream:
        size = os.fstat(stream.fileno()).st_size
        content = stream.read(limit + 1) if size <= limit else b""
    if max(size, len(content)) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit:,} bytes", str(file))
    return content


def open_regular(file: Path | str) -> BufferedReader:
    """Open a regular file for reading. Raises OSError at once for a FIFO, a device or a folder."""
    handle, _ = _open_regular(file)
    return os.fdopen(handle, "rb")


def sha256(file: Path) -> str:
    """The sha256 of a regular file, in hexadecimal, read in blocks. Raises OSError as `read` does."""
    import hashlib  # lazy: hashlib

    with _named(file), open_regular(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _open_regular(file: Path | str, flags: int = os.O_RDONLY) -> tuple[int, int]:
    """A handle of a regular file, and the file's size in bytes."""
    handle = os.open(file, flags | _PLAIN, 0o600)
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file", str(file))
    return handle, about.st_size


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, for this user only; a folder that exists stays as it is.

    Raises OSError, also for a link that leads out of the state of a school.
    """
    _check_links(folder)
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):  # by another process, or as a file: the next step says so
        os.mkdir(folder, 0o700)
        if sys.platform == "win32" and not permissions.MKDIR_RESTRICTS:
            permissions.restrict_on_windows(folder)
        with _named(folder):
            sync(folder.parent)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def _check_links(folder: Path) -> None:
    """Raise OSError if a folder of a school's state is a link.

    `.nightschool` itself may be one, to a folder that is empty or holds the state of a school.
    """
    inside = [each for each in (folder, *folder.parents) if STATE_NAME in each.parts]
    for each in inside:
        if each.is_symlink() and not (each.name == STATE_NAME and _may_hold_state(each)):
            raise OSError(errno.ELOOP, "a link, and not to the state of a school", str(each))


def _may_hold_state(folder: Path) -> bool:
    return not any(folder.iterdir()) or (folder / "ledger.db").is_file()


def write(file: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file (text as UTF-8) atomically; the old content stays until the new one is complete.

    Creates missing folders; a link in the file's place is replaced, not followed. `durable=False` does not
    wait for the disk, for files that may be lost. Raises OSError, which names the file.
    """
    make_folder(file.parent)
    _replace_file(file, content, durable=durable, mode=0o600)


def rewrite(file: Path, content: str | bytes) -> None:
    """Write a file that the owner edits: like `write`, but its mode is kept and a link is followed.

    Raises OSError if the file is a link to nothing, or not a regular file.
    """
    target, mode = file, 0o600
    if file.is_symlink() or file.exists():
        target = file.resolve(strict=True)
        about = target.stat()
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(file))
        mode = stat.S_IMODE(about.st_mode) & 0o777
    _replace_file(target, content, durable=True, mode=mode)


def _replace_file(file: Path, content: str | bytes, *, durable: bool, mode: int) -> None:
    temporary = _aside(file)
    data = memoryview(content.encode() if isinstance(content, str) else content)
    with _undone(file, temporary):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _PLAIN
        with os.fdopen(os.open(temporary, flags, mode), "wb", buffering=0) as stream:
            if mode != 0o600:
                os.chmod(temporary, mode)  # also what the umask withholds from a new file
            while data:
                data = data[stream.write(data) or 0 :]
            if durable:
                os.fsync(stream.fileno())
        if file.is_dir():  # it holds no state
            remove(file)
        replace(temporary, file)
    if durable:
        with _named(file):
            sync(file.parent)


def append(file: Path, line: str) -> None:
    """Add a line to a file and wait for the disk; creates the file and missing folders.

    The line is whole or absent after an error; a line that a crash cut off stays a line of its own. Raises
    OSError, also for a link or what is not a regular file.
    """
    make_folder(file.parent)
    handle, size = _open_regular(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_FOLLOW)
    data = memoryview(("\n" * (size > 0) + line).encode())
    with _named(file), os.fdopen(handle, "wb", buffering=0) as stream:
        try:
            while data:
                data = data[stream.write(data) or 0 :]
            os.fsync(handle)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(handle, size)
            raise


def open_log(file: Path) -> BinaryIO:
    """A stream that adds to a file; creates it and missing folders. Raises OSError as `append` does."""
    make_folder(file.parent)
    handle, _ = _open_regular(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_FOLLOW)
    return os.fdopen(handle, "ab")


def empty(file: Path) -> None:
    """Remove the content of a file that another process may append to. Raises OSError as `append` does."""
    handle, _ = _open_regular(file, os.O_WRONLY | _NO_FOLLOW)
    try:
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def make_database(file: Path) -> None:
    """Create an empty file for SQLite, for this user only, and missing folders; one that exists stays.

    Raises OSError if the file, or what SQLite writes beside it, is a link or no regular file.
    """
    make_folder(file.parent)
    # No existing file is opened: closing it would end the locks of this process's other connections.
    for path in (
        file,
        *(file.with_name(f"{file.name}-{end}") for end in ("wal", "shm", "journal")),
    ):
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(path.lstat().st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(path))
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600))


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """A new folder to fill in this context; at its end the folder takes the place of `final`, whole.

    Nothing is left of it if the context raises. Raises OSError.
    """
    make_folder(final.parent)
    temporary = _aside(final)
    with _undone(final, temporary):
        make_folder(temporary)
        yield temporary
        sync_tree(temporary)
        former = _aside(final)
        with suppress(FileNotFoundError):
            replace(final, former)
        try:
            replace(temporary, final)
        except OSError:
            with suppress(OSError):
                replace(former, final)
            raise
        sync(final.parent)
    discard(former)


def remove(path: Path) -> None:
    """Remove a file, a link (not what it names) or a folder; does nothing if it is absent. Raises OSError.

    A folder disappears as a whole.
    """
    _check_links(path.parent)
    with suppress(FileNotFoundError), _named(path):
        if not _is_folder(path):
            path.unlink()
            return
        if not _TEMPORARY.search(path.name):
            replace(path, aside := _aside(path))
            path = aside
        remove_tree(path)


def discard(path: Path) -> None:
    """Remove a file or folder that is not needed, if that is possible now."""
    with suppress(OSError):
        remove(path)


@contextmanager
def lock(file: Path) -> Iterator[None]:
    """Hold the lock `FILE.lock` while a file is read, changed and written. Raises FileBusy after 10 s."""
    import filelock  # lazy: filelock

    make_folder(file.parent)
    held = filelock.FileLock(f"{file}.lock", timeout=_LOCKED_AFTER_S, mode=0o600)
    try:
        held.acquire()
    except filelock.Timeout:
        raise FileBusy(
            f"another process has been changing {file.name} for more than {_LOCKED_AFTER_S:.0f} s",
            "end it, then try again",
        ) from None
    try:
        yield
    finally:
        held.release()


def clean(folder: Path, *, starting: bool = False) -> None:
    """Remove what processes that have ended left behind in a folder and all below; errors are ignored.

    `starting`: this process has written nothing yet, so what bears its number is another's.
    """
    import psutil  # lazy: psutil

    if folder.is_symlink():  # it may lead to a folder with temporary files of other programs
        return
    for path, folders, names in walk(folder):
        for name in [*folders, *names]:
            if not (match := _TEMPORARY.search(name)):
                continue
            if name in folders:
                folders.remove(name)
            # Versions up to 0.2 wrote no number.
            pid = int(match[1] or 0)
            own = pid == os.getpid() and not starting
            if not own and (pid in (0, os.getpid()) or not psutil.pid_exists(pid)):
                discard(Path(path, name))


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
    """Flush a folder and everything in it to the disk, and withhold it from other users."""
    for path in folder.iterdir():
        if _is_folder(path):
            sync_tree(path)
        else:
            permissions.withhold(path)
            sync(path)
    permissions.withhold(folder)
    sync(folder)


def sync(path: Path) -> None:
    """Flush a file or folder to the disk; a folder is skipped on systems that cannot open or flush one."""
    is_folder = path.is_dir()
    try:
        # Windows flushes only what is open for writing.
        handle = os.open(path, os.O_RDWR if os.name == "nt" and not is_folder else os.O_RDONLY)
    except OSError:
        if is_folder:
            return
        raise
    try:
        os.fsync(handle)
    except OSError as error:
        if not is_folder or error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)


def _aside(path: Path) -> Path:
    """A name beside a path that nobody can foresee; it tells `clean` which process uses it."""
    return path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")


def _is_folder(path: Path) -> bool:
    """Whether a path is a folder itself, and not a link to one (on Windows, a junction)."""
    try:
        about = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(about.st_mode) and getattr(about, "st_reparse_tag", 0) != _JUNCTION


@contextmanager
def _undone(final: Path, temporary: Path) -> Iterator[None]:
    """A context after whose failure nothing is left of a temporary file or folder."""
    with _named(final):
        try:
            yield
        except BaseException:
            discard(temporary)
            raise


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """A context whose OSErrors name a file, and not a temporary one or none."""
    try:
        yield
    except OSError as error:
        if error.filename is None or _TEMPORARY_PART.search(str(error.filename)):
            error.filename = _TEMPORARY_PART.sub("", str(file))
            del error.filename2
        raise
