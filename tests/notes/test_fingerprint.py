"""The fingerprint changes whenever a note does, and only then."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nightschool.config.errors import NotesError
from nightschool.notes.fingerprint import notes_fingerprint


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    root = tmp_path / "my ノート"
    for name in ("inbox/a.md", "inbox/b.txt", "仕事/c.markdown", "rows.csv", "loose.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"text of {name}", encoding="utf-8")
    return root


def _later(file: Path) -> None:
    """Another modification time, as after an edit that keeps the length."""
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def _write_in_new_folder(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("new", "utf-8")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a new note": lambda root: (root / "inbox/new.md").write_text("new", "utf-8"),
    "a note in a new folder": lambda root: _write_in_new_folder(root / "x/new.MD"),
    "a longer note": lambda root: (root / "inbox/a.md").write_text("longer " * 9, "utf-8"),
    "a note of the same length": lambda root: _later(root / "仕事/c.markdown"),
    "a row": lambda root: (root / "rows.csv").write_text("text,label\na,b\n", "utf-8"),
    "a deleted note": lambda root: (root / "inbox/b.txt").unlink(),
    "a moved note": lambda root: (root / "loose.md").rename(root / "inbox/loose.md"),
    "another kind's folder": lambda root: (root / "仕事").rename(root / "home"),
}
NO_CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda root: None,
    "a hidden file": lambda root: (root / ".draft.md").write_text("new", "utf-8"),
    "a hidden folder": lambda root: _write_in_new_folder(root / ".obsidian/a.md"),
    "an image": lambda root: (root / "photo.png").write_bytes(b"\x89PNG"),
    "an empty folder": lambda root: (root / "empty").mkdir(),
    "a read": lambda root: (root / "loose.md").read_text("utf-8"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_note_changes_the_fingerprint(notes: Path, change: str) -> None:
    before = notes_fingerprint(notes)
    CHANGES[change](notes)
    assert notes_fingerprint(notes) != before


@pytest.mark.parametrize("change", NO_CHANGES)
def test_other_changes_keep_the_fingerprint(notes: Path, change: str) -> None:
    before = notes_fingerprint(notes)
    NO_CHANGES[change](notes)
    assert notes_fingerprint(notes) == before


def test_renaming_the_notes_folder_keeps_the_fingerprint(notes: Path) -> None:
    before = notes_fingerprint(notes)
    assert notes_fingerprint(notes.rename(notes.with_name("elsewhere"))) == before


def test_other_files_and_extra_text_change_the_fingerprint(notes: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    seen = {
        notes_fingerprint(notes),
        notes_fingerprint(notes, labels),
        notes_fingerprint(notes, extra="headings"),
    }
    labels.write_text("{}", "utf-8")
    assert len(seen | {notes_fingerprint(notes, labels)}) == 4


def test_a_single_file_has_a_fingerprint(notes: Path) -> None:
    file = notes / "rows.csv"
    before = notes_fingerprint(file)
    file.write_text("text,label\nanother,b\n", "utf-8")
    assert notes_fingerprint(file) != before


def test_links_form_no_loop_and_show_a_change_of_their_target(notes: Path, tmp_path: Path) -> None:
    try:
        (notes / "inbox/all").symlink_to(notes, target_is_directory=True)
        (notes / "linked.md").symlink_to(notes / "inbox/a.md")
        (notes / "nowhere.md").symlink_to(tmp_path / "gone.md")
    except OSError:
        pytest.skip("no links here")
    before = notes_fingerprint(notes)
    _later(notes / "inbox/a.md")
    assert notes_fingerprint(notes) != before


def test_a_missing_folder_is_an_error(notes: Path) -> None:
    with pytest.raises(NotesError, match=r"there are no notes at .*gone: connect its drive"):
        notes_fingerprint(notes / "gone")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything can be read here")
def test_an_unreadable_folder_changes_the_fingerprint_or_is_an_error(notes: Path) -> None:
    before = notes_fingerprint(notes)
    (notes / "inbox").chmod(0)
    try:
        assert notes_fingerprint(notes) != before
        notes.chmod(0)
        with pytest.raises(NotesError, match="cannot be read: Permission denied"):
            notes_fingerprint(notes)
    finally:
        notes.chmod(0o700)
        (notes / "inbox").chmod(0o700)
