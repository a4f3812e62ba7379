"""Which kind a note has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from nightschool.config.errors import NotesError
from nightschool.config.settings import NotesSettings
from nightschool.notes.kind_resolution import KindCandidates, KindSource, Resolved, resolve
from nightschool.notes.kinds import KnownKinds
from nightschool.notes.note import Note
from nightschool.notes.readers import read_notes
from tests.notes.conftest import Put, kinds_of, skipped_in

ORDER: Sequence[KindSource] = ("kind", "type", "folder", "tags")
KNOWN = KnownKinds(["lesson", "value", "買い物 リスト"])


@pytest.mark.parametrize(
    ("candidates", "kind"),
    [
        (KindCandidates(kind="new", type="lesson", folder="value"), "new"),
        (KindCandidates(type="Lesson", folder="value"), "lesson"),
        (KindCandidates(type="daily", folder="inbox"), "inbox"),
        (KindCandidates(type="daily", tags=("home", "VALUE")), "value"),
        (KindCandidates(folder="inbox", tags=("value",)), "inbox"),
        (KindCandidates(tags=("kind/lesson",)), "lesson"),
        (KindCandidates(text_tags=("買い物-リスト",)), "買い物 リスト"),
        (KindCandidates(text_tags=("value",), tags=("lesson",)), "value"),
        (KindCandidates(tags=("lesson/sub",)), None),
        (KindCandidates(tags=("home",)), None),
        (KindCandidates(), None),
    ],
)
def test_the_first_source_that_names_a_kind_counts(
    candidates: KindCandidates, kind: str | None
) -> None:
    assert resolve(candidates, KNOWN, ORDER) == Resolved(kind)


def test_the_order_of_sources_can_be_changed_and_sources_left_out() -> None:
    candidates = KindCandidates(folder="inbox", tags=("value",))
    assert resolve(candidates, KNOWN, ("tags", "folder")).kind == "value"
    assert resolve(KindCandidates(tags=("value",)), KNOWN, ("kind", "folder")).kind is None


def test_tags_that_name_two_kinds_name_none_and_are_a_problem() -> None:
    candidates = KindCandidates(tags=("lesson", "home", "value"))
    assert resolve(candidates, KNOWN, ORDER) == Resolved(
        None,
        "its tags name 2 kinds (lesson, value): keep one",
    )


def test_types_and_tags_name_only_kinds_that_are_known_otherwise(folder: Path, put: Put) -> None:
    put("lesson/a.md", "x")
    put("1.md", "---\ntype: Lesson\n---\nx")
    put("2.md", "---\ntype: daily\n---\nx")
    put("3.md", "---\ntags: [home, value]\n---\nx")
    put("4.md", "---\nkind: decision\n---\nx")
    put("5.md", "---\ntags: home, decision\n---\nx")
    put("6.md", "x #idea")
    loaded = read_notes(folder, kinds=["value"])
    assert list(kinds_of(loaded).values()) == [
        "lesson", None, "value", "decision", "decision", None, "lesson",
    ]  # fmt: skip
    assert loaded.warnings == ()


def test_a_tag_that_names_a_kind_is_removed_from_the_text(folder: Path, put: Put) -> None:
    put("lesson/a.md", "#lesson Never on a Friday. #work")
    put("b.md", "Never on a Friday. #Lesson")
    put("c.md", "#lesson")
    loaded = read_notes(folder)
    assert loaded.notes == (
        Note("Never on a Friday. ", "lesson", "b.md"),
        Note(" Never on a Friday. #work", "lesson", "lesson/a.md"),
    )
    assert skipped_in(loaded) == {"c.md": "empty"}


def test_tags_stay_in_the_text_if_they_are_no_source_of_kinds(folder: Path, put: Put) -> None:
    put("lesson/a.md", "x #lesson")
    put("b.md", "y #lesson")
    loaded = read_notes(folder, NotesSettings(kind_from=["kind", "folder"]))
    assert [(n.text, n.kind) for n in loaded.notes] == [
        ("y #lesson", None),
        ("x #lesson", "lesson"),
    ]


def test_folders_are_kinds_only_if_they_are_a_source(folder: Path, put: Put) -> None:
    put("projects/a.md", "x #lesson")
    put("projects/b.md", "y")
    settings = NotesSettings(kind_from=["kind", "tags"])
    assert kinds_of(read_notes(folder, settings, kinds=["lesson"])) == {
        "projects/a.md": "lesson",
        "projects/b.md": None,
    }


def test_tags_that_name_two_kinds_are_reported_with_the_note(folder: Path, put: Put) -> None:
    put("a.md", "x #lesson #value")
    loaded = read_notes(folder, kinds=["lesson", "value"])
    assert loaded.notes == (Note("x  ", None, "a.md"),)
    assert loaded.warnings == ("a.md: its tags name 2 kinds (lesson, value): keep one",)


def test_possible_kinds_are_listed_if_no_note_has_a_kind(folder: Path, put: Put) -> None:
    put("a.md", "---\ntype: memo\ntags: [lesson]\n---\nx #lesson")
    put("b.md", "x #lesson #home")
    assert read_notes(folder).warnings == (
        "no note has a kind, but there are #lesson (2), type: memo (1), #home (1): "
        "name those that are kinds under [kinds]",
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
        "give them one name"
    )


def test_a_kind_in_the_settings_must_be_spelled_as_in_the_notes(folder: Path, put: Put) -> None:
    put("lesson/a.md", "x")
    assert kinds_of(read_notes(folder, kinds=["lesson"])) == {"lesson/a.md": "lesson"}
    with pytest.raises(NotesError) as caught:
        read_notes(folder, kinds=["Lesson"])
    assert str(caught.value) == (
        'the kinds "Lesson" (under [kinds] in nightschool.toml) and "lesson" (lesson/a.md) differ only '
        "in case or width: give them one name"
    )


def test_composed_and_decomposed_spellings_are_one_kind(folder: Path, put: Put) -> None:
    put("a.jsonl", '{"text": "x", "label": " ガ"}\n{"text": "y", "label": "\\u30ab\\u3099"}\n')
    assert {note.kind for note in read_notes(folder).notes} == {"ガ"}


def test_a_kind_is_on_one_line(folder: Path, put: Put) -> None:
    put("a.jsonl", json.dumps({"text": "water boils", "label": "a\n fact"}))
    assert kinds_of(read_notes(folder)) == {"a.jsonl:1": "a fact"}
