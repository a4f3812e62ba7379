"""Pages of a Notion export."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.notes.readers import read_notes
from tests.notes.conftest import Put, skipped_in

ID = "0123456789abcdef0123456789abcdef"


def test_the_properties_of_a_page_give_its_kind_and_are_removed(folder: Path, put: Put) -> None:
    put(f"Lessons {ID}/Deploys {ID}.md", "# Deploys\n\nKind: Lesson\nTags: ops\n\nNever.\n")
    put(f"Lessons {ID}/Rest {ID}.md", "# Rest\n\nTags: ops\n\nSleep.\n")
    put(f"Lessons {ID}.csv", "\ufeffName,Kind\nDeploys,Lesson\n")
    loaded = read_notes(folder)
    assert [(note.text, note.kind) for note in loaded.notes] == [
        ("# Deploys\n\nNever.\n", "Lesson"),
        ("# Rest\n\nSleep.\n", "Lessons"),
    ]
    [(source, reason)] = skipped_in(loaded).items()
    assert source == f"Lessons {ID}.csv" and 'no column "text"' in reason


@pytest.mark.parametrize(
    "text",
    [
        "# Deploys\n\nWarning: do not deploy on a Friday.\n\nNever.",
        "# Deploys\n\nKind: Lesson\nand more prose\n",
        "Kind: Lesson\n\nNever.",
    ],
)
def test_lines_of_prose_with_a_colon_stay(folder: Path, put: Put, text: str) -> None:
    put("a.md", text)
    assert [note.text for note in read_notes(folder).notes] == [text]
