"""A file system in user space over a folder, as a share is: each mount has locks of its own.

    python -m tests.fuse_mount FOLDER MOUNT [--direct-io]

With --direct-io it has no memory shared between processes (mmap), either. Runs until it is unmounted.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


def needs_fuse() -> pytest.MarkDecorator:
    """Skips a test where no such file system can be mounted."""
    try:
        import fuse  # noqa: F401
    except (ImportError, OSError):
        return pytest.mark.skip(reason="fusepy or libfuse is missing")
    usable = os.access("/dev/fuse", os.R_OK | os.W_OK) and shutil.which("fusermount")
    return pytest.mark.skipif(not usable, reason="/dev/fuse cannot be used")


@contextmanager
def mounted(folder: Path, at: Path, *options: str) -> Iterator[Path]:
    """A mount of a folder for the time of the context."""
    at.mkdir(parents=True)
    command = [sys.executable, "-m", "tests.fuse_mount", str(folder), str(at), *options]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not os.path.ismount(at) and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert os.path.ismount(at), "the mount did not appear"
        yield at
    finally:
        subprocess.run(["fusermount", "-uz", str(at)], check=False)
        server.kill()
        server.wait()


def main() -> None:
    import fuse

    folder, at, *options = sys.argv[1:]

    class Passthrough(fuse.Operations):  # type: ignore[misc]
        use_ns = True

        def __call__(self, operation: str, path: str, *arguments: Any) -> Any:
            return super().__call__(operation, folder + path, *arguments)

        def getattr(self, path: str, handle: int | None = None) -> dict[str, Any]:
            about = os.lstat(path)
            names = ("atime", "ctime", "gid", "mode", "mtime", "nlink", "size", "uid", "ino")
            found = {f"st_{name}": getattr(about, f"st_{name}") for name in names}
            for name in ("atime", "mtime", "ctime"):
                found[f"st_{name}"] = getattr(about, f"st_{name}_ns")
            return found

        def access(self, path: str, mode: int) -> None:
            if not os.access(path, mode):
                raise fuse.FuseOSError(errno.EACCES)

        def readdir(self, path: str, handle: int) -> list[str]:
            return [".", "..", *os.listdir(path)]

        def statfs(self, path: str) -> dict[str, int]:
            about = os.statvfs(path)
            names = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files",
                     "f_flag", "f_frsize", "f_namemax")  # fmt: skip
            return {name: getattr(about, name) for name in names}

        chmod, mkdir, rmdir, unlink, readlink = os.chmod, os.mkdir, os.rmdir, os.unlink, os.readlink

        def rename(self, old: str, new: str) -> None:
            os.rename(old, folder + new)

        def link(self, new: str, old: str) -> None:
            os.link(folder + old, new)

        def symlink(self, new: str, target: str) -> None:
            os.symlink(target, new)

        def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
            os.utime(path, ns=times or (time.time_ns(), time.time_ns()))

        def open(self, path: str, flags: int) -> int:
            return os.open(path, flags)

        def create(self, path: str, mode: int, about: Any = None) -> int:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

        def read(self, path: str, size: int, offset: int, handle: int) -> bytes:
            return os.pread(handle, size, offset)

        def write(self, path: str, data: bytes, offset: int, handle: int) -> int:
            return os.pwrite(handle, data, offset)

        def truncate(self, path: str, length: int, handle: int | None = None) -> None:
            os.truncate(path, length)

        def fsync(self, path: str, only_data: int, handle: int) -> None:
            os.fsync(handle)

        def release(self, path: str, handle: int) -> None:
            os.close(handle)

    fuse.FUSE(
        Passthrough(), at, foreground=True, nothreads=True, use_ino=True,
        direct_io="--direct-io" in options, fsname="nightschool-test", subtype="passthrough",
    )  # fmt: skip


if __name__ == "__main__":
    main()
