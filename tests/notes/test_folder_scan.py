"""Which files of a folder are read, in which order, and why others are skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nightschool.notes.note import Skipped, SkipReason
from nightschool.notes.readers import read_notes
from tests.notes.conftest import Put, make_link, skipped_in


def test_files_that_are_not_notes_are_skipped_with_a_reason(folder: Path, put: Put) -> None:
    put("a/note.md", "text")
    put("a/empty.md", "")
    put("a/blank.txt", " \n\t　\n")
    put("a/only-matter.md", "---\nkind: a\n---\n")
    put("a/.draft.md", "text")
    put(".obsidian/settings.md", "text")
    put("a/photo.PNG", b"\x89PNG")
    put("a/LICENSE", "text")
    put("a/binary.md", bytes(range(256)))
    loaded = read_notes(folder)
    assert [note.source for note in loaded.notes] == ["a/note.md"]
    assert skipped_in(loaded) == {
        "a/empty.md": "empty",
        "a/blank.txt": "empty",
        "a/only-matter.md": "empty",
        "a/.draft.md": "hidden",
        ".obsidian": "hidden",
        "a/photo.PNG": "not a note: .PNG",
        "a/LICENSE": "not a note: no suffix",
        "a/binary.md": "binary file",
    }


def test_links_that_leave_the_folder_are_skipped(tmp_path: Path, folder: Path, put: Put) -> None:
    outside = tmp_path / "private"
    outside.mkdir()
    (outside / "secret.md").write_text("secret", encoding="utf-8")
    put("a/note.md", "text")
    make_link(folder / "a" / "out.md", outside / "secret.md")
    make_link(folder / "out", outside)
    make_link(folder / "inside", folder / "a")
    make_link(folder / "a" / "alias.md", folder / "a" / "note.md")
    loaded = read_notes(folder)
    assert [note.source for note in loaded.notes] == ["a/alias.md", "a/note.md"]
    assert skipped_in(loaded) == {
        "a/out.md": "a link that leaves the notes folder",
        "out": "a link that leaves the notes folder",
        "inside": "a link to a folder",
    }


def test_dangling_and_circular_links_are_skipped(folder: Path, put: Put) -> None:
    put("a/note.md", "text")
    make_link(folder / "a" / "circle.md", folder / "a" / "circle.md")
    make_link(folder / "a" / "gone.md", folder / "a" / "no.md")
    loaded = read_notes(folder)
    assert [note.source for note in loaded.notes] == ["a/note.md"]
    assert set(skipped_in(loaded)) == {"a/circle.md", "a/gone.md"}
    assert all(reason.startswith("cannot be read") for reason in skipped_in(loaded).values())


def test_a_file_name_that_is_not_unicode_gives_an_encodable_source(folder: Path) -> None:
    try:
        with open(os.path.join(os.fsencode(folder), b"caf\xe9.md"), "wb") as stream:
            stream.write(b"text")
    except OSError:
        pytest.skip("this file system wants Unicode names")
    [note] = read_notes(folder).notes
    assert note.source.encode("utf-8") == b"caf?.md"


def test_notes_are_in_the_order_of_their_paths(folder: Path, put: Put) -> None:
    for name in ("b/2.md", "a/1.md", "c.md", "b/1.md"):
        put(name, name)
    sources = [note.source for note in read_notes(folder).notes]
    assert sources == ["a/1.md", "b/1.md", "b/2.md", "c.md"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_skipped(folder: Path) -> None:
    os.mkfifo(folder / "pipe.md")
    assert read_notes(folder).skipped == (Skipped("pipe.md", SkipReason.NOT_REGULAR),)


def test_an_unreadable_folder_is_skipped(folder: Path, put: Put) -> None:
    put("a/1.md", "x")
    put("b/1.md", "x")
    (folder / "a").chmod(0)
    try:
        if os.access(folder / "a", os.R_OK):
            pytest.skip("this user may read everything")
        loaded = read_notes(folder)
    finally:
        (folder / "a").chmod(0o700)
    assert [note.source for note in loaded.notes] == ["b/1.md"]
    assert skipped_in(loaded)["a"].startswith("cannot be read: ")
