"""What a note was taken from, as its owner says."""

from pathlib import Path

import pytest

from nightschool.config.errors import NotesError
from nightschool.config.settings import NotesSettings
from nightschool.notes.readers import read_notes


@pytest.mark.parametrize(
    ("matter", "origin"),
    [
        ("kind: fact", ""),
        ("source: A Book", "A Book"),
        ("source: 『本』\nkind: fact", "『本』"),
        ("url: https://example.org/a#b", "https://example.org/a#b"),
        ("source: web\nurl: https://example.org", "https://example.org"),
        ("source: web\nurl:", "web"),
        ("source: null", ""),
        ("source: [one, two]", ""),
        ("source: 12\nkind: [one, two]", "12"),
    ],
)
def test_the_front_matter_tells_what_a_note_was_taken_from(
    tmp_path: Path, matter: str, origin: str
) -> None:
    (tmp_path / "note.md").write_text(f"---\n{matter}\n---\nWater boils.", encoding="utf-8")
    assert [(note.text, note.origin) for note in read_notes(tmp_path).notes] == [
        ("Water boils.", origin)
    ]


def test_a_column_tells_what_the_rows_of_a_table_were_taken_from(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label,,from\nwater,x,0,A\nfire,x,1,\n", encoding="utf-8")
    origins = [
        note.origin for note in read_notes(tmp_path, NotesSettings(group_column="from")).notes
    ]
    assert origins == ["A", ""]
    assert [note.origin for note in read_notes(tmp_path).notes] == ["", ""]
    (tmp_path / "b.jsonl").write_text(
        '{"text": "water", "label": "x", "from": 7}\n{"text": "fire", "label": "x", "from": null}\n',
        encoding="utf-8",
    )
    origins = [
        note.origin
        for note in read_notes(tmp_path / "b.jsonl", NotesSettings(group_column="from")).notes
    ]
    assert origins == ["7", ""]


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label,Author\nwater,x,A\n", encoding="utf-8")
    with pytest.raises(NotesError) as caught:
        read_notes(tmp_path, NotesSettings(group_column="author"))
    assert str(caught.value) == (
        'a.csv:2: no column "author" (there are: text, label, Author); did you mean '
        'notes.group_column = "Author"?'
    )
