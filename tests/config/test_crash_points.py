"""A death, a power cut or an error at every operation of a write leaves the old content or the new."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nightschool.config import files
from tests.file_faults import DIED, inject

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="fork")]

_MOST = 90
_NO_FAULT, _REFUSED, _TOLERATED, _UNNAMED = 0, 8, 9, 10


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


def _performed(change: Change, folder: Path, at: int, fault: str) -> int:
    """Perform a change in a process of its own, with a fault in its operation number `at`."""
    if process := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    code = DIED
    try:
        injector = inject(folder, at, fault)
        change(folder)
        code = _TOLERATED if 0 < at <= injector.count else _NO_FAULT
    except OSError as error:
        code = _REFUSED if error.filename and ".tmp" not in str(error.filename) else _UNNAMED
    finally:
        os._exit(code)


@pytest.mark.parametrize("fault", ["killed", "content lost", "names lost", "ENOSPC", "EIO"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_fault_at_any_operation_leaves_old_or_new(tmp_path: Path, name: str, fault: str) -> None:
    if " lost" in fault and (name == "append" or not os.path.exists("/proc/self/fd")):
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
        if name == "append" and fault == "killed":
            found = {path: re.sub(r"\nne?$", "", text) for path, text in found.items()}
        absent = {path: text for path, text in old.items() if not path.startswith("folder/")}
        assert found in (old, new, *([absent] if name == "new_folder" else [])), (name, at)
        assert not list(folder.rglob("*.tmp")), (name, at)
        if code == _NO_FAULT:
            return
        assert code in (DIED, _REFUSED, _TOLERATED), (name, at, code)
        assert code != _TOLERATED or found == new, (name, at)
    raise AssertionError(f"{name} has more than {_MOST} operations")
