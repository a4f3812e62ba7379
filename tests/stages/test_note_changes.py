"""The retraining check of the notes, as the child process does it."""

from __future__ import annotations

import pytest

from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.notes.new_notes import NewNotes
from nightschool.notes.note import LoadedNotes
from nightschool.notes.readers import read_school
from nightschool.stages import note_changes
from nightschool.stages.note_changes import NoteChanges, changes_since
from tests.conftest import MakeSchool
from tests.prepared import prepare


def check(school: School, last: str = "") -> NoteChanges:
    return changes_since(school, load(school.settings_file), 1, last)


def test_a_change_during_reading_is_found_by_the_next_check(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = make_school()
    prepare(school)
    note = school.root / "notes/lesson/lesson-0.md"

    def read_and_change(*given: object) -> LoadedNotes:
        loaded = read_school(*given)  # type: ignore[arg-type]
        note.write_text("Another lesson, written while the notes were read.", encoding="utf-8")
        return loaded

    with monkeypatch.context() as patch:
        patch.setattr(note_changes, "read_school", read_and_change)
        first = check(school)
    assert first.news == NewNotes(1, 36, 36, 0, ())
    second = check(school, first.fingerprint)
    assert second.news == NewNotes(1, 36, 36, 1, ())
    third = check(school, second.fingerprint)
    assert third == NoteChanges(fingerprint=second.fingerprint)


def test_changed_settings_and_labels_are_changes(make_school: MakeSchool) -> None:
    school = make_school()
    prepare(school)
    settings = load(school.settings_file)
    seen = check(school).fingerprint
    notes = settings.notes.model_copy(update={"kind_from": ["kind"]})
    other = changes_since(school, settings.model_copy(update={"notes": notes}), 1, seen)
    assert other.news == NewNotes(1, 36, 0, 0, ())
    school.labels_file.write_text('{"id": "ab", "kind": null}\n', encoding="utf-8")
    assert check(school, seen).news


def test_a_problem_with_the_notes_is_one_line(make_school: MakeSchool) -> None:
    school = make_school()
    prepare(school)
    school.labels_file.write_text("{", encoding="utf-8")
    found = check(school)
    assert not found.fingerprint and not found.news
    assert "labels.jsonl, line 1" in found.problem
