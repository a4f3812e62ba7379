from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from nightschool.config.errors import NotesError, NotesUnavailable
from nightschool.config.files import open_regular
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


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES])
def test_a_note_that_may_be_readable_later_is_waited_for(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    school = make_school()

    def fail(file: str) -> Any:
        if Path(file).name == "lesson-3.md":
            raise OSError(code, os.strerror(code), file)
        return open_regular(file)

    monkeypatch.setattr("nightschool.notes.readers.open_regular", fail)
    settings = load(school.settings_file)
    if code == errno.EACCES:
        loaded, _ = read_and_freeze(school, settings)
        assert [one.source for one in loaded.skipped] == ["lesson/lesson-3.md"]
        return
    with pytest.raises(NotesUnavailable) as caught:
        read_and_freeze(school, settings)
    assert str(caught.value).startswith("lesson/lesson-3.md cannot be read: Input/output error: ")
