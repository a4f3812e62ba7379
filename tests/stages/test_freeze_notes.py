from __future__ import annotations

import pytest

from nightschool.config.errors import NotesError
from nightschool.config.settings_file import load
from nightschool.stages.freeze_notes import read_and_freeze
from tests.conftest import MakeSchool


def test_without_any_note_the_error_names_the_folder_and_what_was_skipped(
    make_school: MakeSchool,
) -> None:
    school = make_school(each=0)
    notes = school.root / "notes"
    notes.mkdir()
    settings = load(school.settings_file)
    with pytest.raises(NotesError) as caught:
        read_and_freeze(school, settings)
    assert str(caught.value) == (
        f"there are no notes in {notes}: put some there, or set notes.folder in nightschool.toml"
    )
    (notes / "a.jsonl").write_text('{"text": 1, "label": "a"}\n' * 2, "utf-8")
    (notes / "b.pdf").write_bytes(b"%PDF")
    with pytest.raises(NotesError) as caught:
        read_and_freeze(school, settings)
    assert (
        f"no notes in {notes} (2 skipped: no text in column `text`, 1 skipped: not a note: .pdf): "
        in str(caught.value)
    )
