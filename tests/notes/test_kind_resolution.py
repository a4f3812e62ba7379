"""Which kind a note has."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from nightschool.config.errors import NotesError
from nightschool.config.kind_settings import KindSettings
from nightschool.config.settings import NotesSettings, Settings
from nightschool.notes.kind_resolution import KindCandidates, Resolved, resolve
from nightschool.notes.kinds import KnownKinds
from nightschool.notes.metadata.properties import Property
from nightschool.notes.note import Note
from nightschool.notes.readers import read_notes
from nightschool.notes.tags import tags as find_tags
from tests.notes.conftest import Put, kinds_of, skipped_in

ORDER = ("kind", "type", "folder", "tags")
KNOWN = KnownKinds(["lesson", "value", "買い物 リスト"])


def candidates(
    folder: str = "", tags: Sequence[str] = (), text: str = "", **properties: str | list[str]
) -> KindCandidates:
    values = {
        key: [value] if isinstance(value, str) else value for key, value in properties.items()
    }
    return KindCandidates(
        tuple(Property(key, tuple(names), 2) for key, names in values.items()),
        tuple(folder.split("/")) if folder else (),
        tuple(tags),
        find_tags(text),
    )


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (candidates(kind="Lesson", type="value", folder="value"), "Lesson"),
        (candidates(type="Lesson", folder="value"), "lesson"),
        (candidates(type="daily", folder="value"), "value"),
        (candidates(folder="inbox", tags=("home", "VALUE")), "value"),
        (candidates(folder="lesson/value"), "lesson"),
        (candidates(folder="inbox/lesson"), None),
        (candidates(kind=["draft", "lesson"]), "lesson"),
        (candidates(tags=("kind/lesson",)), "lesson"),
        (candidates(text="#買い物-リスト"), "買い物 リスト"),
        (candidates(text="#value", tags=("lesson",)), "value"),
        (candidates(tags=("lesson/sub",)), "lesson"),
        (candidates(tags=("home",)), None),
        (candidates(), None),
    ],
)
def test_the_first_source_that_names_a_kind_counts(found: KindCandidates, kind: str | None) -> None:
    assert resolve(found, KNOWN, ORDER).kind == kind


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("Areas/lesson/2024", "lesson"), ("lesson/value", "value"), ("Areas", None)],
)
def test_in_a_closed_list_the_nearest_folder_that_is_a_kind_counts(
    folder: str, kind: str | None
) -> None:
    assert resolve(candidates(folder), KNOWN, ORDER, closed=True).kind == kind


def test_the_order_of_sources_can_be_changed_and_sources_left_out() -> None:
    found = candidates(folder="lesson", tags=("value",), category="value")
    assert resolve(found, KNOWN, ("tags", "folder")).kind == "value"
    assert resolve(found, KNOWN, ("folder", "tags")).kind == "lesson"
    assert resolve(found, KNOWN, ("category", "folder")) == Resolved("value", "category")
    assert resolve(candidates(tags=("value",)), KNOWN, ("kind", "folder")).kind is None


@pytest.mark.parametrize(
    "found",
    [candidates(tags=("lesson", "home", "value")), candidates(kind=["lesson", "value"])],
)
def test_a_source_that_names_two_kinds_names_none_and_is_a_trouble(found: KindCandidates) -> None:
    resolved = resolve(found, KNOWN, ORDER)
    assert resolved.kind is None and resolved.trouble is not None
    assert resolved.trouble.message == "two kinds are named (lesson, value): keep one"


def test_types_and_tags_name_only_kinds_that_are_known_otherwise(folder: Path, put: Put) -> None:
    put("lesson/a.md", "x")
    put("1.md", "---\ntype: Lesson\n---\nx")
    put("2.md", "---\ntype: daily\n---\nx")
    put("3.md", "---\ntags: [home, value]\n---\nx")
    put("4.md", "---\nkind: decision\n---\nx")
    put("5.md", "---\ntags: home, decision\n---\nx")
    put("6.md", "x #idea")
    loaded = read_notes(folder)
    assert list(kinds_of(loaded).values()) == [
        "lesson", None, None, "decision", "decision", None, "lesson",
    ]  # fmt: skip
    assert loaded.warnings == ()


def test_if_kinds_are_listed_no_others_exist(folder: Path, put: Put) -> None:
    put("Inbox/a.md", "x")
    put("Lessons/old/b.md", "x")
    put("Zettel/c.md", "---\nkind: idea\n---\nx")
    put("Zettel/d.md", "---\nKIND: Value\n---\nx")
    put("e.csv", "text,label\nx,LESSON\ny,idea\n")
    kinds = {"lesson": KindSettings(aliases=["Lessons"]), "value": KindSettings()}
    loaded = read_notes(folder, kinds=kinds)
    assert kinds_of(loaded) == {
        "Inbox/a.md": None,
        "Lessons/old/b.md": "lesson",
        "Zettel/c.md": None,
        "Zettel/d.md": "value",
        "e.csv:2": "lesson",
        "e.csv:3": None,
    }
    assert loaded.warnings == (
        "Zettel/c.md, line 2: `kind: idea` is not under [kinds]",
        "e.csv:3: `idea` is not under [kinds]",
    )


def test_folders_of_programs_are_no_kinds_unless_they_are_listed(folder: Path, put: Put) -> None:
    for name in ("Inbox", "Daily", "journals", "Archive", "プロジェクト", "lesson"):
        put(f"{name}/a.md", "x")
    assert {kind for kind in kinds_of(read_notes(folder)).values() if kind} == {"lesson"}
    listed = {"Archive": KindSettings(), "lesson": KindSettings()}
    assert kinds_of(read_notes(folder, kinds=listed))["Archive/a.md"] == "Archive"


@pytest.mark.parametrize(
    ("kinds", "problem"),
    [
        ({"Lesson": "", "lesson": ""}, "differ only in case or width: give them one name"),
        (
            {"a": {"aliases": ["x"]}, "b": {"aliases": ["X"]}},
            'the alias "X" names two kinds, "a" and "b": keep one',
        ),
        ({"a": {"aliases": ["B"]}, "b": ""}, 'the alias "b" names two kinds'),
    ],
)
def test_a_name_of_two_kinds_is_refused(kinds: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        Settings.model_validate({"kinds": kinds})


def test_a_tag_that_names_a_kind_is_removed_from_the_text(folder: Path, put: Put) -> None:
    put("lesson/a.md", "#lesson Never on a Friday. #work")
    put("b.md", "Never on a Friday. #Lesson")
    put("c.md", "#lesson")
    loaded = read_notes(folder)
    assert loaded.notes == (
        Note("Never on a Friday.", "lesson", "b.md"),
        Note("Never on a Friday. #work", "lesson", "lesson/a.md"),
    )
    assert skipped_in(loaded) == {"c.md": "empty"}


def test_tags_that_name_a_kind_leave_the_text_even_if_they_are_no_source_of_kinds(
    folder: Path, put: Put
) -> None:
    put("lesson/a.md", "x #lesson")
    put("b.md", "y #lesson")
    loaded = read_notes(folder, NotesSettings(kind_from=["kind", "folder"]))
    assert [(n.text, n.kind) for n in loaded.notes] == [
        ("y", None),
        ("x", "lesson"),
    ]


def test_folders_are_kinds_only_if_they_are_a_source(folder: Path, put: Put) -> None:
    put("projects/a.md", "x #lesson")
    put("projects/b.md", "y")
    settings = NotesSettings(kind_from=["kind", "tags"])
    assert kinds_of(read_notes(folder, settings, kinds={"lesson": KindSettings()})) == {
        "projects/a.md": "lesson",
        "projects/b.md": None,
    }


def test_tags_that_name_two_kinds_are_reported_with_the_note(folder: Path, put: Put) -> None:
    put("a.md", "x #lesson #value")
    loaded = read_notes(folder, kinds={"lesson": KindSettings(), "value": KindSettings()})
    assert loaded.notes == (Note("x", None, "a.md"),)
    assert loaded.warnings[0] == "a.md: two kinds are named (lesson, value): keep one"


def test_possible_kinds_are_listed_if_no_note_has_a_kind(folder: Path, put: Put) -> None:
    put("a.md", "---\ntype: memo\ntags: [lesson]\n---\nx #lesson")
    put("b.md", "x #lesson #home")
    assert read_notes(folder).warnings == (
        "no note has a kind, but there are #lesson (2), type: memo (1), #home (1): "
        "name those that are kinds under [kinds], or let `nightschool init --update` propose them",
    )


@pytest.mark.parametrize("kind", ["train", "test", "validation"])
def test_a_kind_may_have_the_name_of_a_split(folder: Path, put: Put, kind: str) -> None:
    put(f"{kind}/a.md", "x")
    assert kinds_of(read_notes(folder)) == {f"{kind}/a.md": kind}


def test_the_kind_is_the_first_level_folder(folder: Path, put: Put) -> None:
    put("loose.md", "a")
    put("lesson/a.md", "b")
    put("lesson/deeper/still/b.txt", "c")
    put("買い物 リスト/メモ 1.markdown", "d")
    assert kinds_of(read_notes(folder)) == {
        "lesson/a.md": "lesson",
        "lesson/deeper/still/b.txt": "lesson",
        "loose.md": None,
        "買い物 リスト/メモ 1.markdown": "買い物 リスト",
    }


@pytest.mark.parametrize(
    ("one", "other"), [("Lesson", "lesson"), ("ＴＯＤＯ", "TODO"), ("ﾒﾓ", "メモ")]
)
def test_kinds_that_differ_only_in_case_or_width_are_refused(
    folder: Path, put: Put, one: str, other: str
) -> None:
    put("a.jsonl", "".join(json.dumps({"text": k, "label": k}) + "\n" for k in (one, other, "x")))
    with pytest.raises(NotesError) as caught:
        read_notes(folder)
    assert str(caught.value) == (
        f'the kinds "{one}" (a.jsonl:1) and "{other}" (a.jsonl:2) differ only in case or width: '
        "give them one name, or list the kind under [kinds] with the spelling to use"
    )


def test_a_kind_is_spelled_as_in_the_settings(folder: Path, put: Put) -> None:
    put("lesson/a.md", "x")
    assert kinds_of(read_notes(folder, kinds={"Lesson": KindSettings()})) == {
        "lesson/a.md": "Lesson"
    }


def test_composed_and_decomposed_spellings_are_one_kind(folder: Path, put: Put) -> None:
    put("a.jsonl", '{"text": "x", "label": " ガ"}\n{"text": "y", "label": "\\u30ab\\u3099"}\n')
    assert {note.kind for note in read_notes(folder).notes} == {"ガ"}


def test_a_kind_is_on_one_line(folder: Path, put: Put) -> None:
    put("a.jsonl", json.dumps({"text": "water boils", "label": "a\n fact"}))
    assert kinds_of(read_notes(folder)) == {"a.jsonl:1": "a fact"}
