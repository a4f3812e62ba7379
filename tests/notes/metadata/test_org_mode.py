"""Notes in org mode."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.notes.readers import read_notes
from tests.notes.conftest import Put


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("#+TITLE: Deploys\n#+FILETAGS: :ops:lesson:\n\nNever.", "Never."),
        (":PROPERTIES:\n:ID: 1\n:KIND: lesson\n:END:\n#+title: x\nNever.", "Never."),
        ("# a comment\n#+kind: lesson\n* Never.", "* Never."),
        ("* Never :lesson:\non a Friday", "* Never\non a Friday"),
        ("* Never\n:PROPERTIES:\n:kind: lesson\n:END:\non a Friday", "* Never\non a Friday"),
    ],
)
def test_keywords_drawers_and_headline_tags_give_the_kind_and_are_removed(
    folder: Path, put: Put, text: str, kept: str
) -> None:
    put("a.org", text)
    put("lesson/b.md", "x")
    [note, _] = read_notes(folder).notes
    assert (note.kind, note.text.strip()) == ("lesson", kept)


def test_code_of_org_mode_is_no_metadata(folder: Path, put: Put) -> None:
    put("a.org", "#+begin_src sh\nls\n#+end_src\n")
    assert [note.text for note in read_notes(folder).notes] == ["#+begin_src sh\nls\n#+end_src\n"]
