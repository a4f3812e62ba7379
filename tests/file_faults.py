"""Faults at the file operations of a process: each operation below a folder is counted, and one may go wrong.

Operations are the calls of Python that change or read files, those of safetensors, and the statements of
SQLite. Call `inject` in a process of its own: it is never undone.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

Operations = list[str]
DIED = 7
"""The exit code of a process that a fault killed."""
_CHANGING = ("replace", "rename", "mkdir", "unlink", "remove", "rmdir", "chmod")
_LISTING = ("listdir", "scandir")
_SQLITE = {errno.ENOSPC: "SQLITE_FULL", errno.EIO: "SQLITE_IOERR"}


class Disk:
    """What a power cut would undo: content and names that were not yet synced."""

    def __init__(self, beside: Path) -> None:
        self.unsynced: dict[tuple[int, int], Path] = {}
        self._names: list[tuple[Path, Callable[[], object]]] = []
        self._kept = Path(tempfile.mkdtemp(prefix="before-", dir=beside.parent))
        self.real = {name: getattr(os, name) for name in (*_CHANGING, "open", "fsync", "fstat")}

    def written(self, handle: int, path: Path) -> None:
        about = os.fstat(handle)
        self.unsynced[about.st_dev, about.st_ino] = path

    def synced(self, handle: int) -> None:
        about = os.fstat(handle)
        if stat.S_ISDIR(about.st_mode):
            folder = Path(f"/proc/self/fd/{handle}").resolve()
            self._names = [(where, undo) for where, undo in self._names if where != folder]
        else:
            self.unsynced.pop((about.st_dev, about.st_ino), None)

    def created(self, path: Path) -> None:
        self._names.append((path.parent.resolve(), lambda: self._gone(path)))

    def replaces(self, path: Path, final: Path) -> None:
        former = self._keep(final)

        def undo() -> None:
            self.real["rename"](final, path)
            if former:
                os.link(former, final)

        self._names.append((final.parent.resolve(), undo))

    def removes(self, path: Path) -> None:
        former = self._keep(path)
        if former:
            self._names.append((path.parent.resolve(), lambda: os.link(former, path)))

    def removes_folder(self, path: Path) -> None:
        self._names.append((path.parent.resolve(), lambda: self.real["mkdir"](path)))

    def _keep(self, path: Path) -> Path | None:
        if not path.is_file() or path.is_symlink():
            return None
        kept = self._kept / str(len(os.listdir(self._kept)))
        os.link(path, kept)
        return kept

    def _gone(self, path: Path) -> None:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            self.real["unlink"](path)

    def lose_content(self, root: Path) -> None:
        """Empty every file whose content was not synced, whatever its name is by now."""
        for folder in (root, self._kept):
            for file in folder.rglob("*"):
                about = file.lstat()
                if stat.S_ISREG(about.st_mode) and (about.st_dev, about.st_ino) in self.unsynced:
                    os.truncate(file, 0)

    def lose_names(self) -> None:
        """Undo every change of a folder that was not synced, the last one first."""
        for _, undo in reversed(self._names):
            with suppress(OSError):
                undo()


class Injector:
    """Counts the operations below a folder, and lets a fault happen at one of them."""

    def __init__(self, root: Path, at: int, fault: str, log: Path | None = None) -> None:
        """`log` receives a line for each operation; `at` counts from 1."""
        self.root, self.at, self.fault = root.resolve(), at, fault
        self.disk = Disk(self.root)
        self.count = 0
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if log else None
        self._paths: dict[int, Path] = {}

    def concerns(self, path: Any) -> bool:
        if not isinstance(path, str | os.PathLike):
            return False
        return Path(os.path.abspath(path)).is_relative_to(self.root)

    def step(self, name: str, path: Any, *, writes: bool) -> None:
        """An operation is about to happen."""
        self.count += 1
        if self._log is not None:
            where = os.path.relpath(path, self.root) if path else ""
            os.write(self._log, f"{'write' if writes else 'read'}\t{name}\t{where}\n".encode())
        if self.count == self.at:
            self._strike(name, path, writes)

    def _strike(self, name: str, path: Any, writes: bool) -> None:
        match self.fault:
            case "killed":
                os._exit(DIED)
            case "content lost":
                self.disk.lose_content(self.root)
                os._exit(DIED)
            case "names lost":
                self.disk.lose_names()
                self.disk.lose_content(self.root)
                os._exit(DIED)
        code = getattr(errno, self.fault)
        if code == errno.ENOSPC and not writes:
            return
        raise _error(name, code, path)


def _error(name: str, code: int, path: Any) -> Exception:
    if name == "SQL":
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = getattr(sqlite3, _SQLITE[code])
        return error
    if name.startswith("safetensors"):
        from safetensors import SafetensorError

        return SafetensorError(f"I/O error: {os.strerror(code)} (os error {code})")
    if name in ("write", "read", "fsync"):  # of a handle: the system names no file
        return OSError(code, os.strerror(code))
    return OSError(code, os.strerror(code), os.fspath(path))


def inject(root: Path, at: int, fault: str, log: Path | None = None) -> Injector:
    """Let `fault` happen at the operation number `at` below `root`; 0: none.

    Faults: "killed"; "content lost" and "names lost", a power cut that loses what was not synced; and the
    names of error codes, such as "EIO".
    """
    injector = Injector(root, at, fault, log)
    for name in (*_CHANGING, *_LISTING):
        _patch_named(injector, name)
    _patch_opening(injector)
    _patch_handles(injector)
    _patch_sqlite(injector)
    if "safetensors" in sys.modules:
        _patch_safetensors(injector)
    return injector


def _patch_named(injector: Injector, name: str) -> None:
    """A function of os that takes a path."""
    real, disk = getattr(os, name), injector.disk

    def call(path: Any = ".", *given: Any, **named: Any) -> Any:
        # shutil.rmtree names files relative to a handle.
        where = path
        if named.get("dir_fd") is not None:
            where = os.path.join(os.readlink(f"/proc/self/fd/{named['dir_fd']}"), path)
        if isinstance(path, int) and name in _LISTING:
            where = os.readlink(f"/proc/self/fd/{path}")
        if not injector.concerns(where):
            return real(path, *given, **named)
        injector.step(name, where, writes=name not in _LISTING)
        if name in ("replace", "rename"):
            disk.replaces(Path(where), Path(given[0]))
        elif name in ("unlink", "remove"):
            disk.removes(Path(where))
        elif name == "rmdir":
            disk.removes_folder(Path(where))
        done = real(path, *given, **named)
        if name == "mkdir":
            disk.created(Path(where))
        return done

    setattr(os, name, call)


def _patch_opening(injector: Injector) -> None:
    real_open, real_builtin = os.open, builtins.open

    def os_open(path: Any, flags: int, *given: Any, **named: Any) -> int:
        if named.get("dir_fd") is not None or not injector.concerns(path):
            return real_open(path, flags, *given, **named)
        new = bool(flags & os.O_CREAT) and not os.path.exists(path)
        if not os.path.isdir(path):
            injector.step("open", path, writes=bool(flags & os.O_CREAT))
        handle = real_open(path, flags, *given, **named)
        injector._paths[handle] = Path(path)
        if new:
            injector.disk.created(Path(path))
        return handle

    def opened(file: Any, mode: str = "r", *given: Any, **named: Any) -> Any:
        if not injector.concerns(file):
            return real_builtin(file, mode, *given, **named)
        writes = any(letter in mode for letter in "wax+")
        new = writes and not os.path.exists(file)
        injector.step("open", file, writes=writes)
        stream = real_builtin(file, mode, *given, **named)
        if writes:
            injector.disk.written(stream.fileno(), Path(file))
        if new:
            injector.disk.created(Path(file))
        return stream

    os.open, builtins.open, io.open = os_open, opened, opened


def _patch_handles(injector: Injector) -> None:
    real_fsync, real_fdopen, real_sendfile = os.fsync, os.fdopen, getattr(os, "sendfile", None)

    class Stream(io.FileIO):
        """A file whose first read and each write is an operation; a write also ends early."""

        path: Path
        was_read = False

        def write(self, data: Any) -> int:
            injector.disk.written(self.fileno(), self.path)
            half = super().write(bytes(data)[: len(data) // 2])
            injector.step("write", self.path, writes=True)
            return half or super().write(data)

        def readinto(self, buffer: Any) -> int:
            if not self.was_read:
                self.was_read = True
                injector.step("read", self.path, writes=False)
            return super().readinto(buffer)

        def readall(self) -> bytes:
            self.was_read = True
            injector.step("read", self.path, writes=False)
            return super().readall()

    def fdopen(handle: int, mode: str = "r", buffering: int = -1, *given: Any, **named: Any) -> Any:
        path = injector._paths.get(handle)
        if path is None or "b" not in mode or injector.disk.real["fstat"](handle).st_nlink == 0:
            return real_fdopen(handle, mode, buffering, *given, **named)
        raw = Stream(handle, mode)
        raw.path = path
        if not buffering:
            return raw
        return io.BufferedReader(raw) if "r" in mode else io.BufferedWriter(raw)

    def fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").resolve()
        if injector.concerns(path):
            injector.step("fsync", path, writes=True)
        real_fsync(handle)
        injector.disk.synced(handle)

    def sendfile(out: int, *given: Any, **named: Any) -> int:
        path = Path(f"/proc/self/fd/{out}").resolve()
        if injector.concerns(path):
            injector.step("write", path, writes=True)
            injector.disk.written(out, path)
        assert real_sendfile
        return int(real_sendfile(out, *given, **named))

    os.fdopen, os.fsync = fdopen, fsync  # type: ignore[assignment]
    if real_sendfile:
        os.sendfile = sendfile  # type: ignore[assignment]


def _patch_sqlite(injector: Injector) -> None:
    real_connect = sqlite3.connect

    class Connection(sqlite3.Connection):
        file: Any = None

        def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
            writes = not sql.lstrip().upper().startswith(("SELECT", "PRAGMA", "BEGIN", "ROLLBACK"))
            injector.step("SQL", self.file, writes=writes)
            return super().execute(sql, *given)

    def connect(file: Any, *given: Any, **named: Any) -> sqlite3.Connection:
        if not injector.concerns(file):
            return cast(sqlite3.Connection, real_connect(file, *given, **named))
        db = real_connect(file, *given, factory=Connection, **named)
        db.file = file
        return db

    sqlite3.connect = connect  # type: ignore[assignment]


def _patch_safetensors(injector: Injector) -> None:
    import safetensors

    real_open, real_serialize = safetensors.safe_open, safetensors.serialize_file

    def safe_open(file: Any, *given: Any, **named: Any) -> Any:
        if injector.concerns(file):
            injector.step("safetensors open", file, writes=False)
        return real_open(file, *given, **named)

    def serialize_file(tensors: Any, file: Any, *given: Any, **named: Any) -> None:
        new = not os.path.exists(file)
        real_serialize(tensors, file, *given, **named)
        if not injector.concerns(file):
            return
        if new:
            injector.disk.created(Path(file))
        about = os.stat(file)
        injector.disk.unsynced[about.st_dev, about.st_ino] = Path(file)
        if injector.count + 1 == injector.at:
            os.truncate(file, about.st_size // 2)
        injector.step("safetensors save", file, writes=True)

    for module in list(sys.modules.values()):
        for name, real, ours in (
            ("safe_open", real_open, safe_open),
            ("serialize_file", real_serialize, serialize_file),
        ):
            if vars(module).get(name) is real:
                setattr(module, name, ours)
