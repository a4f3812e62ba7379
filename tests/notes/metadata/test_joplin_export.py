"""Joplin's RAW export: notes, notebooks, tags and the links between them."""

from __future__ import annotations

from pathlib import Path

from nightschool.notes.readers import read_notes
from tests.notes.conftest import Put, skipped_in

A, B, BOOK, TAG, LINK = (letter * 32 for letter in "ab9de")


def item(text: str, id_: str, type_: int, **properties: str) -> str:
    lines = [f"id: {id_}", *(f"{key}: {value}" for key, value in properties.items())]
    return "\n\n".join([*filter(None, [text]), "\n".join([*lines, f"type_: {type_}"])])


def test_tags_and_notebooks_of_an_export_name_kinds(folder: Path, put: Put) -> None:
    put(f"{A}.md", item("Deploys\n\nNever on a Friday", A, 1, parent_id="", title=""))
    put(f"{B}.md", item("Honesty\n\nSay what you know", B, 1, parent_id=BOOK))
    put(f"{BOOK}.md", item("value", BOOK, 2, parent_id=""))
    put(f"{TAG}.md", item("lesson", TAG, 5))
    put(f"{LINK}.md", item("", LINK, 6, note_id=A, tag_id=TAG))
    put("lesson/c.md", "x")
    loaded = read_notes(folder)
    assert [(note.text, note.kind, note.kind_from) for note in loaded.notes] == [
        ("Deploys\n\nNever on a Friday", "lesson", "tags"),
        ("Honesty\n\nSay what you know", "value", "folder"),
        ("x", "lesson", "folder"),
    ]
    assert set(skipped_in(loaded).values()) == {"not a note but an item of Joplin's"}
    assert len(loaded.skipped) == 3


def test_a_note_that_only_ends_like_an_item_stays(folder: Path, put: Put) -> None:
    put("a.md", "The property\n\ntype_: 1")
    assert [note.text for note in read_notes(folder).notes] == ["The property\n\ntype_: 1"]
