"""Notes in several folders: their names, what they share, and folders that are gone or overlap."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nightschool.config.errors import NotesError, NotesUnavailable
from nightschool.config.notes_settings import NotesSettings
from nightschool.config.settings import Settings
from nightschool.notes.inventory import group_copies
from nightschool.notes.notes_places import file_of, notes_places
from nightschool.notes.readers import read_notes, read_school
from tests.notes.conftest import kinds_of, make_link, skipped_in

TABLE = '{"text": "a row", "label": "value"}\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A school with two folders of the same files, and a table."""
    for name, text in {
        "notes/lesson/a.md": "same",
        "notes/left/b.md": "b",
        "../仕事/lesson/a.md": "SAME",
        "../仕事/left/b.md": "other",
        "../仕事/x.png": "",
        "rows/a.jsonl": TABLE,
    }.items():
        file = tmp_path / "school" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return tmp_path / "school"


def settings(*folders: str, **more: object) -> Settings:
    notes = NotesSettings.model_validate({"folder": list(folders), **more})
    return Settings(notes=notes)


BOTH = ("notes", "../仕事")


def test_sources_begin_with_the_folder_and_kinds_come_from_below_it(root: Path) -> None:
    loaded = read_school(root, settings(*BOTH, "rows/a.jsonl", exclude=["/left/"]))
    assert kinds_of(loaded) == {
        "notes/lesson/a.md": "lesson",
        "../仕事/lesson/a.md": "lesson",
        "rows/a.jsonl:1": "value",
    }
    assert set(skipped_in(loaded)) == {"notes/left/b.md", "../仕事/left/b.md", "../仕事/x.png"}
    assert group_copies(loaded.notes) == [[0, 1], [2]]


def test_a_list_of_one_folder_is_that_folder(root: Path) -> None:
    one = read_school(root, settings("notes"))
    assert one == read_notes(root / "notes")
    assert [note.source for note in one.notes] == ["left/b.md", "lesson/a.md"]


def test_the_file_of_a_note_is_found(root: Path) -> None:
    places = notes_places(root, settings(*BOTH).notes)
    assert file_of(places, "notes/left/b.md#A heading") == root / "notes/left/b.md"
    assert file_of(places, "../仕事/left/b.md") == root / "../仕事/left/b.md"
    assert file_of(places, "left/b.md") is None


@pytest.mark.parametrize("empty", [True, False])
def test_a_folder_that_is_gone_is_named(root: Path, empty: bool) -> None:
    """As a drive does that is not connected: its mount point is gone, or an empty folder."""
    shutil.rmtree(root / "../仕事")
    if empty:
        (root / "../仕事").mkdir()
    with pytest.raises(NotesUnavailable) as caught:
        read_school(root, settings(*BOTH))
    where = "in" if empty else "at"
    assert str(caught.value) == (
        f"there are no notes {where} {root / '../仕事'}: connect its drive, or set notes.folder in "
        "nightschool.toml"
    )


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("notes", "../school/notes"), "{0}/notes and {0}/../school/notes are the same place: "),
        (("notes", "."), "{0}/notes lies in {0}, so its notes would be read twice: "),
        ((".", "rows", "notes"), "{0}/rows lies in {0}, so its notes would be read twice: "),
        (("rows/a.jsonl", "rows"), "{0}/rows/a.jsonl lies in {0}/rows, so its notes would"),
        (("notes", "link"), "{0}/notes and {0}/link are the same place: "),
        (("gone", "gone/below"), "{0}/gone/below lies in {0}/gone, so its notes would"),
    ],
)
def test_folders_that_overlap_are_refused(
    root: Path, folders: tuple[str, ...], message: str
) -> None:
    make_link(root / "link", root / "notes")
    with pytest.raises(NotesError) as caught:
        read_school(root, settings(*folders))
    assert str(caught.value).startswith(message.format(root))
    assert str(caught.value).endswith("remove one of them from notes.folder")
