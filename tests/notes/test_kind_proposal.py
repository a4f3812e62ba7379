"""Which names in a vault are proposed as kinds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nightschool.notes.kind_evidence import evidence_of
from nightschool.notes.kind_proposal import KindProposal, propose_kinds
from nightschool.notes.kind_resolution import KindCandidates, Unresolved
from nightschool.notes.metadata.properties import Property
from nightschool.notes.note import Note
from nightschool.notes.tags import Tag


def notes(
    n: int,
    folders: str = "",
    tags: tuple[str, ...] = (),
    label: str | None = None,
    **properties: str,
) -> list[Unresolved]:
    """`n` notes in a folder, with tags and properties (several values divided by commas)."""
    candidates = KindCandidates(
        tuple(Property(key, tuple(value.split(",")), 1) for key, value in properties.items()),
        tuple(filter(None, folders.split("/"))),
        text_tags=tuple(Tag(tag, 0, 0) for tag in tags),
    )
    return [Unresolved(Note("text", label, "a.md"), candidates) for _ in range(n)]


def propose(*groups: list[Unresolved]) -> KindProposal:
    return propose_kinds(evidence_of([note for group in groups for note in group]))


def names(*groups: list[Unresolved]) -> dict[str, tuple[str, ...]]:
    return {kind.name: kind.aliases for kind in propose(*groups).kinds}


@pytest.mark.parametrize(
    "folder",
    ["Inbox", "01 - Projects/Garden", "Daily/2026", "journals", "pages", "Archive", "📥 Inbox", "2026/11",
     "202611301200", "受信箱", "日記", "Tagebuch", "Boîte de réception", "Zettelkasten", "Attachments", "模板",
     "Welcome! (Desktop)"],
)  # fmt: skip
def test_folders_that_programs_and_methods_use_are_no_kinds(folder: str) -> None:
    assert set(names(notes(9, "Lessons"), notes(9, "Recipes"), notes(20, folder))) == {
        "Lessons", "Recipes",
    }  # fmt: skip


def test_other_spellings_plurals_links_and_languages_are_aliases() -> None:
    found = names(
        notes(20, "Lessons"), notes(3, "Inbox", ("lesson",)), notes(5, "教訓"), notes(9, "Decisions"),
        notes(1, "Projects/Garden", kind="LESSONS"), notes(2, kind="lesson learned"),
    )  # fmt: skip
    assert found == {"Lessons": ("lesson", "lesson learned", "教訓"), "Decisions": ()}


def test_a_rare_value_that_nearly_spells_a_frequent_one_is_an_alias() -> None:
    found = names(
        notes(30, kind="decision"), notes(9, kind="level 1"), notes(1, kind="decison"),
        notes(1, kind="level 2"), notes(1, kind="tip"),
    )  # fmt: skip
    assert found == {"decision": ("decison",), "level 1": (), "level 2": (), "tip": ()}


def test_two_words_of_one_language_that_mean_nearly_the_same_stay_two_kinds() -> None:
    assert set(names(notes(9, "Values"), notes(9, "Principles"), notes(9, "Facts"))) == {
        "Values", "Principles", "Facts",
    }  # fmt: skip


def test_folders_that_hold_notes_of_several_kinds_are_topics() -> None:
    found = names(
        notes(9, "Work", ("lesson",)), notes(9, "Work", ("decision",)), notes(9, "Home", ("lesson",)),
        notes(9, "Home", ("decision",)), notes(3, "Home"),
    )  # fmt: skip
    assert set(found) == {"lesson", "decision"}


def test_folders_by_kind_below_folders_by_topic_are_found() -> None:
    found = names(
        notes(6, "Work/Logs"), notes(6, "Home/Logs"), notes(6, "Work/Specs"), notes(6, "Home/Specs"),
        notes(1, "Work"),
    )  # fmt: skip
    assert set(found) == {"Logs", "Specs"}


def test_the_folder_of_an_export_is_not_a_kind() -> None:
    found = names(
        notes(9, "Export/My Notes/Lessons"), notes(9, "Export/My Notes/Ideas"), notes(1, "Export")
    )
    assert set(found) == {"Lessons", "Ideas"}


def test_a_kind_of_nearly_all_notes_is_a_kind_and_its_sub_folders_are_topics() -> None:
    found = names(notes(60, "Knowledge/Linux"), notes(40, "Knowledge/Bread"), notes(5, "Lessons"))
    assert set(found) == {"Knowledge", "Lessons"}


def test_the_property_that_names_most_kinds_is_taken_before_folders() -> None:
    proposal = propose(
        notes(9, "Garden", category="Recipe"), notes(9, "Garden", category="Log"),
        notes(9, "Travel", category="Log"), notes(9, "Travel", category="Recipe"), notes(3, "Garden"),
    )  # fmt: skip
    assert {kind.name for kind in proposal.kinds} == {"Recipe", "Log"}
    assert proposal.kind_from == ("kind", "category", "type", "folder", "tags")


@pytest.mark.parametrize("key", ["status", "priority", "author", "lang", "mood", "date"])
def test_other_properties_of_few_values_are_no_kinds(key: str) -> None:
    groups = []
    for folder, value in (("Lessons", "a"), ("Ideas", "b"), ("Inbox", "a")):
        properties = (Property(key, (value,), 1),)
        candidates = KindCandidates(properties, (folder,))
        groups.append([replace(each, candidates=candidates) for each in notes(9)])
    assert set(names(*groups)) == {"Lessons", "Ideas"}


def test_types_that_say_how_a_note_stands_among_others_are_no_kinds() -> None:
    found = names(
        notes(9, type="lesson"), notes(9, type="decision"), notes(9, type="daily"), notes(9, type="MOC"),
        notes(9, type="project"),
    )  # fmt: skip
    assert set(found) == {"lesson", "decision"}


def test_a_list_of_topics_beside_the_kind_is_no_list_of_kinds() -> None:
    found = names(
        notes(9, category="lesson,home"),
        notes(9, category="decision,home"),
        notes(9, category="lesson,work"),
    )
    assert set(found) == {"lesson", "decision"}


def test_tags_that_exclude_each_other_are_kinds_and_topics_are_not() -> None:
    found = names(
        *(notes(5, tags=(kind, topic)) for kind in ("trick", "bug", "plan") for topic in ("go", "sql")),
        notes(3, tags=("plan",)), notes(3, tags=("bug",)), notes(3, tags=("trick",)),
    )  # fmt: skip
    assert set(found) == {"trick", "bug", "plan"}


def test_beside_tags_that_are_usual_kinds_other_tags_are_topics() -> None:
    found = names(*(notes(6, tags=(tag,)) for tag in ("lesson", "decision", "garden", "travel")))
    assert set(found) == {"lesson", "decision"}


def test_tags_below_a_word_for_kinds_are_kinds() -> None:
    found = names(
        notes(9, tags=("種類/教訓", "home")),
        notes(9, tags=("種類/決定", "home")),
        notes(9, tags=("home",)),
    )
    assert set(found) == {"教訓", "決定"}


def test_a_usual_kind_below_a_topic_is_an_alias() -> None:
    found = names(
        notes(9, tags=("work/lesson",)), notes(9, tags=("lesson",)), notes(9, tags=("decision/db",))
    )
    assert found == {"lesson": ("work/lesson",), "decision": ()}


def test_a_label_column_names_all_its_kinds() -> None:
    assert set(names(notes(40, label="1"), notes(40, label="2"), notes(1, label="3"))) == {
        "1",
        "2",
        "3",
    }


@pytest.mark.parametrize("few", [1, 2])
def test_a_few_notes_in_folders_are_enough(few: int) -> None:
    assert set(names(notes(few, "Lessons"), notes(few, "Garden"))) == {"Lessons", "Garden"}


def test_nothing_is_proposed_without_a_hint() -> None:
    assert propose(notes(20), notes(20, "Inbox")).kinds == ()
    assert propose().kinds == ()


def test_a_kind_of_no_kind_with_an_unusual_name_is_set_as_such() -> None:
    assert propose(notes(9, "Lektionen"), notes(9, "Sonstiges")).none == "Sonstiges"
    assert propose(notes(9, "Lessons"), notes(9, "Misc")).none == ""
