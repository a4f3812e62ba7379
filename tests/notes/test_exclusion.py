"""Which paths are left out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nightschool.config.settings import NotesSettings
from nightschool.notes.exclusion import Exclusion
from nightschool.notes.readers import read_notes
from tests.notes.conftest import Put, kinds_of, skipped_in


@pytest.mark.parametrize(
    ("source", "folder"),
    [
        ("Templates", True),
        ("x/templates", True),
        ("logseq/bak", True),
        ("a.sync-conflict-20240101-101010-ABC.md", False),
        ("a (Anna's conflicted copy 2024-01-01).md", False),
        ("x/drawing.excalidraw.md", False),
    ],
)
def test_what_programs_keep_beside_the_notes_is_left_out(source: str, folder: bool) -> None:
    assert Exclusion().pattern(source, folder=folder)


@pytest.mark.parametrize("source", ["a.md", "template.md", "lesson/bak/a.md", "conflict.md"])
def test_other_files_are_read(source: str) -> None:
    assert Exclusion().pattern(source) == ""


def test_the_owner_excludes_and_brings_back(folder: Path, put: Put) -> None:
    put("Templates/a.md", "a")
    put("Projects/b.md", "b")
    put("lesson/c.md", "c")
    put("lesson/draft-d.md", "d")
    settings = NotesSettings(exclude=["!Templates/", "/Projects/", "draft-*"])
    loaded = read_notes(folder, settings)
    assert kinds_of(loaded) == {"Templates/a.md": None, "lesson/c.md": "lesson"}
    assert skipped_in(loaded) == {
        "Projects/b.md": "excluded by /Projects/",
        "lesson/draft-d.md": "excluded by draft-*",
    }


def test_only_what_is_included_is_read(folder: Path, put: Put) -> None:
    put("lesson/a.md", "a")
    put("b.md", "b")
    loaded = read_notes(folder, NotesSettings(include=["lesson/**"]))
    assert kinds_of(loaded) == {"lesson/a.md": "lesson"}
    assert skipped_in(loaded) == {"b.md": "excluded by notes.include"}


def test_the_slowest_pattern_that_is_allowed_takes_little_time_for_the_longest_name() -> None:
    exclusion = Exclusion([], NotesSettings(exclude=["*a*a*b"]).exclude)
    began = time.process_time()
    assert exclusion.pattern("a" * 255) == ""
    assert time.process_time() - began < 2


@pytest.mark.parametrize("pattern", ["*a*a*a*b", "x/*[a-z]*?*?*/b", "**/a/**/a/**/a/**/b"])
def test_a_pattern_that_would_take_hours_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="more than 3"):
        NotesSettings(exclude=[pattern])
    with pytest.raises(ValueError, match="more than 3"):
        NotesSettings(include=[pattern])
