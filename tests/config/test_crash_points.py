"""A death, a power cut or an error at every operation of a write leaves the old content or the new."""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nightschool.config import files

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="fork")]

_OPERATIONS = ("open", "fsync", "replace", "mkdir", "unlink", "rmdir", "chmod")
_MOST = 60
_NO_FAULT, _DIED, _REFUSED, _TOLERATED = 0, 7, 8, 9


def _folder(final: Path) -> None:
    with files.new_folder(final) as new:
        files.write(new / "items", "new")
        (new / "weights").write_bytes(b"new")


Change = Callable[[Path], object]
CHANGES: dict[str, Change] = {
    "write": lambda folder: files.write(folder / "file", "new"),
    "rewrite": lambda folder: files.rewrite(folder / "link", "new"),
    "append": lambda folder: files.append(folder / "file", "new"),
    "new_folder": lambda folder: _folder(folder / "folder"),
    "remove": lambda folder: files.remove(folder / "folder"),
}


def _before(folder: Path) -> None:
    (folder / "folder").mkdir(parents=True)
    (folder / "folder" / "items").write_text("old", "utf-8")
    (folder / "folder" / "weights").write_text("old", "utf-8")
    (folder / "file").write_text("old", "utf-8")
    (folder / "link").symlink_to("file")


def _state(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _performed(change: Change, folder: Path, at: int, fault: Callable[[set[int]], None]) -> int:
    """Perform a change in a process of its own, with a fault in its operation number `at`."""
    if process := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    code = _DIED
    try:
        count = _with_fault(at, fault)
        change(folder)
        code = _TOLERATED if 0 < at <= count() else _NO_FAULT
    except OSError as error:
        named = error.filename is None or not str(error.filename).endswith(".tmp")
        code = _REFUSED if named else _DIED + 10
    finally:
        os._exit(code)


def _with_fault(at: int, fault: Callable[[set[int]], None]) -> Callable[[], int]:
    """Inject the fault; returns a function that counts the operations so far."""
    count, unsynced = 0, set[int]()

    def step() -> None:
        nonlocal count
        count += 1
        if count == at:
            fault(unsynced)

    def counted(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            step()
            done = real(*given, **named)
            if name == "fsync":
                unsynced.discard(given[0])
            return done

        return call

    class Stream(io.FileIO):
        def write(self, data: Any) -> int:
            unsynced.add(self.fileno())
            half = super().write(bytes(data)[: len(data) // 2])  # a write may also end early
            step()
            return half or super().write(data)

    real_fdopen = os.fdopen

    def fdopen(handle: int, mode: str = "r", buffering: int = -1) -> Any:
        return real_fdopen(handle, mode, buffering) if buffering else Stream(handle, mode)

    for name in _OPERATIONS:
        setattr(os, name, counted(getattr(os, name), name))
    os.fdopen = fdopen  # type: ignore[assignment]
    return lambda: count


def _killed(unsynced: set[int]) -> None:
    os._exit(_DIED)


def _power_cut(unsynced: set[int]) -> None:
    for handle in unsynced:
        os.truncate(f"/proc/self/fd/{handle}", 0)
    os._exit(_DIED)


def _full(unsynced: set[int]) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _broken(unsynced: set[int]) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("fault", [_killed, _power_cut, _full, _broken])
@pytest.mark.parametrize("name", CHANGES)
def test_a_fault_at_any_operation_leaves_old_or_new(
    tmp_path: Path, name: str, fault: Callable[[set[int]], None]
) -> None:
    if fault is _power_cut and (name == "append" or not os.path.exists("/proc/self/fd")):
        pytest.skip("a line that is lost in a power cut is asked for again")
    _before(tmp_path / "0")
    old = _state(tmp_path / "0")
    assert _performed(CHANGES[name], tmp_path / "0", 0, fault) == _NO_FAULT
    new = _state(tmp_path / "0")
    assert new != old
    for at in range(1, _MOST):
        _before(folder := tmp_path / str(at))
        code = _performed(CHANGES[name], folder, at, fault)
        files.clean(folder)
        found = _state(folder)
        if name == "append" and fault is _killed:
            found = {path: re.sub(r"\nne?$", "", text) for path, text in found.items()}
        absent = {path: text for path, text in old.items() if not path.startswith("folder/")}
        assert found in (old, new, *([absent] if name == "new_folder" else [])), (name, at)
        assert not list(folder.rglob("*.tmp")), (name, at)
        if code == _NO_FAULT:
            return
        assert code in (_DIED, _REFUSED, _TOLERATED), (name, at, code)
        assert code != _TOLERATED or found == new, (name, at)
    raise AssertionError(f"{name} has more than {_MOST} operations")
