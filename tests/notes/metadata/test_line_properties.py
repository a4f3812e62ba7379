"""Logseq's properties and Dataview's inline fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.notes.metadata.line_properties import inline_fields
from nightschool.notes.readers import read_notes
from tests.notes.conftest import Put


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("kind:: lesson\n\nNever deploy", "Never deploy"),
        ("title:: x\nKind:: [[lesson]]\n- Never deploy", "- Never deploy"),
        ("- kind:: lesson\n- Never deploy", "- Never deploy"),
        ("Never [kind:: lesson] deploy", "Never deploy"),
        ("Never (kind:: lesson) deploy", "Never deploy"),
        ("Never deploy\n\nkind:: lesson", "Never deploy"),
        ("- Never deploy\n  kind:: lesson", "- Never deploy"),
        ("> Never deploy\n> **kind**:: lesson", "> Never deploy"),
        ("tags:: #lesson, ops\n\nNever deploy", "Never deploy"),
        ("tags:: #lesson #ops\n\nNever deploy", "Never deploy"),
        ("- Never deploy\n  tags:: [[lesson]]", "- Never deploy"),
        ("- Never deploy\n  tags:: ops, lesson", "- Never deploy"),
        ("Never deploy [tags:: [[lesson]]]", "Never deploy"),
    ],
)
def test_a_property_in_the_text_gives_the_kind_and_is_removed(
    folder: Path, put: Put, text: str, kept: str
) -> None:
    put("a.md", text)
    put("lesson/b.md", "x")
    [note, _] = read_notes(folder).notes
    assert (note.kind, note.text.strip()) == ("lesson", kept)


@pytest.mark.parametrize(
    "text",
    [
        "`kind:: a`",
        "```\nkind:: a\n```",
        "std::vector",
        "use a::b here",
        "see http://a.b::c",
        "10:: a",
    ],
)
def test_code_and_other_double_colons_are_no_fields(text: str) -> None:
    assert inline_fields(text) == ()
