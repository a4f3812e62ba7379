"""Writes that are whole or absent, private and never through a link; reads that never hang."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from nightschool.config import files
from nightschool.config.errors import CheckpointDiskFull, FileBusy, LedgerDiskFull


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


def test_a_folder_and_its_contents_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write(tmp_path / "a" / "b", "content")
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync", synced.append)
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


posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX modes, links and FIFOs")


def _mode(path: Path) -> int:
    return path.lstat().st_mode & 0o777


def _fill(folder: Path) -> None:
    with files.new_folder(folder) as new:
        (new / "inner").mkdir()
        (new / "inner" / "weights").write_bytes(b"weights")


WRITES: list[Callable[[Path], object]] = [
    lambda path: files.write(path, "content"),
    lambda path: files.rewrite(path, "content"),
    lambda path: files.append(path, "content"),
    _fill,
]


@posix_only
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_what_is_written_is_for_its_owner_only(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        for number, write in enumerate(WRITES):
            files.make_folder(folder := tmp_path / "state" / "runs" / str(number))
            write(folder / "x")
        with files.lock(tmp_path / "state" / "labels"):
            pass
    finally:
        os.umask(before)
    written = list((tmp_path / "state").rglob("*"))
    assert len(written) == 12
    for path in (tmp_path / "state", *written):
        assert _mode(path) == (0o700 if path.is_dir() else 0o600), path


@posix_only
def test_the_owners_file_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    target = tmp_path / "dotfiles" / "labels"
    target.write_text("before", "utf-8")
    target.chmod(0o640)
    link = tmp_path / "labels.jsonl"
    link.symlink_to(target)
    files.rewrite(link, "after")
    assert link.is_symlink() and target.read_text("utf-8") == "after" and _mode(target) == 0o640
    target.unlink()
    with pytest.raises(FileNotFoundError):
        files.rewrite(link, "through a link to nothing")
    assert list((tmp_path / "dotfiles").iterdir()) == []


@posix_only
def test_state_is_not_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine", "utf-8")
    for name in ("a", "b", "c"):
        (tmp_path / name).symlink_to(outside if name == "b" else outside / "file")
    files.write(tmp_path / "a", "state")
    _fill(tmp_path / "b")
    with pytest.raises(OSError):
        files.append(tmp_path / "c", "state")
    files.remove(tmp_path / "c")
    assert [entry.name for entry in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text("utf-8") == "mine"
    assert not any((tmp_path / name).is_symlink() for name in ("a", "b", "c"))


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failed_write_leaves_nothing_and_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], object], code: int
) -> None:
    def fail(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError) as raised:
        write(tmp_path / "x")
    assert (raised.value.errno, raised.value.filename) == (code, str(tmp_path / "x"))
    assert [path for path in tmp_path.iterdir() if path.stat().st_size or path.is_dir()] == []


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    with files.new_folder(tmp_path / "a") as new:
        (new / "old").touch()
    with pytest.raises(KeyboardInterrupt), files.new_folder(tmp_path / "a") as new:
        (new / "half").touch()
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "old"]
    _fill(tmp_path / "a")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "inner", "weights"]


def test_appended_lines_stay_apart_from_one_that_was_cut_off(tmp_path: Path) -> None:
    files.append(tmp_path / "a", '{"line": 1}')
    with (tmp_path / "a").open("a", encoding="utf-8") as stream:
        stream.write('\n{"li')
    files.append(tmp_path / "a", '{"line": 2}')
    assert (tmp_path / "a").read_bytes() == b'{"line": 1}\n{"li\n{"line": 2}'


def test_a_line_that_fails_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.append(tmp_path / "a", "one")
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(errno.EIO, "")))
    with pytest.raises(OSError):
        files.append(tmp_path / "a", "two")
    assert (tmp_path / "a").read_bytes() == b"one"


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path: Path) -> None:
    files.write(tmp_path / "a", b"12345")
    assert files.read(tmp_path / "a", 5) == b"12345"
    assert files.sha256(tmp_path / "a").startswith("5994471abb01")
    with pytest.raises(OSError, match="larger than 4 bytes"):
        files.read(tmp_path / "a", 4)
    with pytest.raises(OSError):
        files.read(tmp_path)
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "nothing")


@posix_only
@pytest.mark.parametrize("do", [files.read, files.sha256, *WRITES[1:3]])
def test_a_fifo_or_a_device_is_refused_at_once(
    tmp_path: Path, do: Callable[[Path], object]
) -> None:
    os.mkfifo(tmp_path / "fifo")
    device = tmp_path / "device"
    device.symlink_to("/dev/zero")
    for path in (tmp_path / "fifo", device):
        with pytest.raises(OSError):
            do(path)


def test_remove_takes_files_folders_and_what_is_absent(tmp_path: Path) -> None:
    _fill(tmp_path / "folder")
    files.write(tmp_path / "file", "")
    for name in ("folder", "file", "nothing"):
        files.remove(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_excludes_others_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LOCKED_AFTER_S", 0.0)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with files.lock(tmp_path / "labels.jsonl"):
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with pytest.raises(FileBusy, match=r"labels\.jsonl"), files.lock(tmp_path / "labels.jsonl"):
        pass
    done.set()
    thread.join()
    with files.lock(tmp_path / "labels.jsonl"):
        pass


def test_what_ended_processes_left_behind_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    stay = tmp_path / f"mine.{os.getpid()}-01234567.tmp"
    for path in (
        tmp_path / "models" / f"run-1.{ended.pid}-01234567.tmp" / "adapter" / "weights",
        tmp_path / "models" / "run-2.tmp" / "weights",  # as version 0.1.0 named it
        tmp_path / f"seen.json.{ended.pid}-89abcdef.tmp",
        stay,
        tmp_path / "models" / "run-1" / "notes.tmpl",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    files.clean(tmp_path)
    kept = sorted(path.name for path in tmp_path.rglob("*"))
    assert kept == sorted([stay.name, "models", "run-1", "notes.tmpl"])
    files.clean(tmp_path, starting=True)
    assert not stay.exists()
