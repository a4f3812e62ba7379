"""Atomic writes, and telling a full disk from a missing permission."""

import errno
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from nightschool.config import files
from nightschool.config.errors import CheckpointDiskFull, LedgerDiskFull


def test_a_file_and_its_missing_folders_are_written(tmp_path: Path) -> None:
    file = tmp_path / "新しい folder" / "a.json"
    files.write(file, "改\n行")
    assert file.read_bytes() == "改\n行".encode()
    files.write(file, b"\x00")
    assert file.read_bytes() == b"\x00"
    assert [entry.name for entry in file.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    files.write(tmp_path / "a", "before")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, crash)
    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "a", "after")
    assert (tmp_path / "a").read_text("utf-8") == "before"


def test_replace_waits_for_a_file_that_another_program_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows, a virus scanner may hold a new file open."""
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


def test_a_file_its_folder_and_their_contents_are_synced(
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
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EROFS, "Read-only file system"), True),
        (RuntimeError("I/O error: No space left on device (os error 28)"), True),
        (LedgerDiskFull("ledger.db cannot be written: the disk is full", "free some space"), True),
        (CheckpointDiskFull("there is no room for a checkpoint"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (ValueError("the disk is full"), False),
    ],
)
def test_no_room_recognises_a_full_disk(error: Exception, expected: bool) -> None:
    assert files.no_room(error) is expected


@pytest.mark.parametrize(
    ("may", "disk", "expected"), [(True, 0, False), (False, 0, True), (False, 1, False)]
)
def test_a_folder_of_another_user_differs_from_a_read_only_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may: bool, disk: int, expected: bool
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: may)
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=disk), raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert files.forbidden(tmp_path) is expected
    assert not files.forbidden(tmp_path / "nothing")
