"""A file is whole or not there."""

import errno
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from nightschool.config import files


def test_a_file_and_its_missing_folders_are_written(tmp_path: Path) -> None:
    file = tmp_path / "新しい folder" / "a.json"
    files.write(file, "改\n行")
    assert file.read_bytes() == "改\n行".encode()
    files.write(file, b"\x00")
    assert file.read_bytes() == b"\x00"
    assert [one.name for one in file.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    files.write(tmp_path / "a", "before")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, crash)
    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "a", "after")
    assert (tmp_path / "a").read_text("utf-8") == "before"


def test_a_file_that_is_held_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows holds what a virus scanner looks at."""
    tries: list[Path] = []
    replace = os.replace

    def held(aside: Path, final: Path) -> None:
        tries.append(aside)
        if len(tries) < 3:
            raise PermissionError(errno.EACCES, "held")
        replace(aside, final)

    monkeypatch.setattr(os, "replace", held)
    monkeypatch.setattr(files, "_HELD_S", 60.0)
    files.write(tmp_path / "a", "content")
    assert (tmp_path / "a").read_text("utf-8") == "content" and len(tries) == 3
    monkeypatch.setattr(files, "_HELD_S", 0.0)
    tries.clear()
    with pytest.raises(PermissionError):
        files.write(tmp_path / "a", "more")


def test_a_file_its_folder_and_all_within_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    sync = files.sync

    def noted(path: Path) -> None:
        synced.append(path)
        sync(path)

    monkeypatch.setattr(files, "sync", noted)
    files.write(tmp_path / "a" / "b", "content")
    assert synced == [tmp_path / "a" / "b.tmp", tmp_path / "a"]
    synced.clear()
    files.sync_tree(tmp_path)
    assert synced == [tmp_path / "a" / "b", tmp_path / "a", tmp_path]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EROFS, "Read-only file system"), True),
        (RuntimeError("I/O error: No space left on device (os error 28)"), True),
        (RuntimeError("ledger.db cannot be written: the disk is full"), True),
        (RuntimeError("ledger.db: disk I/O error: is the disk full or read-only?"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (ValueError("full"), False),
    ],
)
def test_a_disk_without_room_is_known_by_its_error(error: Exception, says: bool) -> None:
    assert files.no_room(error) is says


@pytest.mark.parametrize(
    ("may", "disk", "says"), [(True, 0, False), (False, 0, True), (False, 1, False)]
)
def test_what_somebody_else_owns_is_told_from_a_read_only_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may: bool, disk: int, says: bool
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: may)
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=disk), raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert files.forbidden(tmp_path) is says
    assert not files.forbidden(tmp_path / "nothing")
