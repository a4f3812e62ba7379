"""A look at the notes, as the child does it."""

from __future__ import annotations

import pytest

from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.notes.readers import LoadedNotes
from nightschool.stages import note_changes
from tests.conftest import MakeSchool
from tests.prepared import prepare


def look(school: School, seen: str = "") -> dict[str, object]:
    return note_changes.look(school, load(school.settings_file), 1, seen)


def test_what_changes_while_it_is_read_is_seen_at_the_next_look(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = make_school()
    prepare(school)
    note = school.root / "notes/lesson/lesson-0.md"
    read = note_changes.read_school

    def read_and_change(*given: object) -> LoadedNotes:
        reading = read(*given)  # type: ignore[arg-type]
        note.write_text("Another lesson, written while the notes were read.", encoding="utf-8")
        return reading

    with monkeypatch.context() as patch:
        patch.setattr(note_changes, "read_school", read_and_change)
        first = look(school)
    assert first["news"] == {"run": 1, "before": 36, "now": 36, "new": 0, "grown": ()}
    second = look(school, str(first["fingerprint"]))
    assert second["news"] == {"run": 1, "before": 36, "now": 36, "new": 1, "grown": ()}
    third = look(school, str(second["fingerprint"]))
    assert third == {"fingerprint": second["fingerprint"]}


def test_another_way_of_reading_and_another_answer_are_changes(make_school: MakeSchool) -> None:
    school = make_school()
    prepare(school)
    settings = load(school.settings_file)
    seen = str(look(school)["fingerprint"])
    notes = settings.notes.model_copy(update={"kind_from": ["kind"]})
    other = note_changes.look(school, settings.model_copy(update={"notes": notes}), 1, seen)
    assert other["news"] == {"run": 1, "before": 36, "now": 0, "new": 0, "grown": ()}
    school.labels_file.write_text('{"id": "ab", "kind": null}\n', encoding="utf-8")
    assert "news" in look(school, seen)


def test_what_is_wrong_with_the_notes_is_one_line(make_school: MakeSchool) -> None:
    school = make_school()
    prepare(school)
    school.labels_file.write_text("{", encoding="utf-8")
    found = look(school)
    assert list(found) == ["problem"] and "labels.jsonl, line 1" in str(found["problem"])
