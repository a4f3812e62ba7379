"""Labels are saved whole, read back unchanged, and override the kind of a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.config.errors import NotesError
from nightschool.notes.identity import content_id
from nightschool.notes.kinds import kind_name
from nightschool.notes.labels import Label, read_labels, with_labels, write_labels
from nightschool.notes.note import LoadedNotes, Note, Skipped, SkipReason
from nightschool.notes.readers import read_notes

texts = st.text(st.characters(codec="utf-8"), max_size=20)
kinds = texts.map(lambda text: kind_name(f"a{text}"))
some_labels = st.builds(
    Label, texts.map(lambda text: f"id {text}"), st.one_of(st.none(), kinds), texts, texts, texts
)


def loaded(*notes: Note) -> LoadedNotes:
    return LoadedNotes(notes, (), ())


def label(text: str, kind: str | None) -> dict[str, Label]:
    return {content_id(text): Label(content_id(text), kind)}


@given(st.lists(some_labels, unique_by=lambda label: label.id))
def test_labels_are_read_back_as_written(labels: list[Label]) -> None:
    with TemporaryDirectory(prefix="回答 ") as folder:
        write_labels(Path(folder, "labels.jsonl"), labels)
        assert list(read_labels(Path(folder, "labels.jsonl")).values()) == labels
        assert [file.name for file in Path(folder).iterdir()] == ["labels.jsonl"]


def test_a_missing_file_holds_no_labels(tmp_path: Path) -> None:
    assert read_labels(tmp_path / "labels.jsonl") == {}


def test_a_file_written_by_hand_is_read(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    text = '\ufeff{"id": "1", "kind": "  a\\n b "}\n\n{"id": "1", "kind": "c", "why": "changed my mind"}\r\n'
    file.write_text(text + '{"id": "2", "kind": null}', "utf-8", newline="")
    assert read_labels(file) == {"1": Label("1", "c"), "2": Label("2", None)}


def test_lone_surrogates_in_a_label_become_question_marks(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_text(r'{"id": "1", "kind": "a\ud83d", "source": "\ud83d.md"}', "utf-8")
    labels = read_labels(file)
    assert labels == {"1": Label("1", "a?", "?.md")}
    write_labels(file, labels.values())
    assert read_labels(file) == labels


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a label"),
        ('{"id": "x"}', "not a label"),
        ('{"id": "", "kind": "a"}', "not a label"),
        ('{"id": "x", "kind": 3}', "not a label"),
        ('{"id": "x", "kind": "  "}', "the kind is empty or long"),
        (f'{{"id": "x", "kind": "{"a" * 201}"}}', "the kind is empty or long"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, expected: str) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_text('{"id": "y", "kind": "a"}\n' + line + "\n", "utf-8")
    with pytest.raises(NotesError) as caught:
        read_labels(file)
    assert "labels.jsonl, line 2: " in str(caught.value) and expected in str(caught.value)


def test_a_line_or_a_file_of_any_size_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_bytes(b'{"id": "a", "kind": "idea"}\n' + b"[" * 1_000_000)
    with pytest.raises(NotesError, match="line 2: longer than 64,000 characters"):
        read_labels(file)
    os.truncate(file, 1 << 40)
    with pytest.raises(NotesError, match=r"cannot be read \(larger than 64,000,000 bytes\)"):
        read_labels(file)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NotesError, match="cannot be read"):
        read_labels(tmp_path / "labels.jsonl")


def test_a_crash_while_writing_leaves_the_previous_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "labels.jsonl"
    write_labels(file, [Label("1", "a")])

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        write_labels(file, [Label("1", "b")])
    assert read_labels(file) == {"1": Label("1", "a")}


def test_a_label_overrides_the_folder_for_every_copy_of_the_note() -> None:
    notes = Note("One", "a", "a/1.md"), Note("one ", None, "1.md"), Note("two", "b", "b/2.md")
    found = with_labels(loaded(*notes), label("ONE", "b"))
    assert [note.kind for note in found.notes] == ["b", "b", "b"]
    assert [note.text for note in found.notes] == ["One", "one ", "two"]
    assert found.warnings == ()


def test_a_note_that_is_left_out_is_removed() -> None:
    notes = Note("one", "a", "a/1.md"), Note("two", "b", "b/2.md")
    assert with_labels(loaded(*notes), label("one", None)).notes == notes[1:]


def test_labels_of_changed_notes_are_warned_about() -> None:
    gone = {f"{n}": Label(f"{n}", "a", f"{n}.md") for n in range(4)}
    found = with_labels(loaded(Note("one", "a", "a/1.md")), gone)
    assert found.warnings == (
        "labels.jsonl: 4 labels about notes that were changed or are gone (0.md, 1.md, 2.md, ...)",
    )


def test_a_kind_that_differs_only_in_width_is_refused() -> None:
    with pytest.raises(NotesError, match='the kind "Ａ" differs from "a" only in case or width'):
        with_labels(loaded(Note("one", "a", "a/1.md")), label("two", "Ａ"))


def test_the_labels_of_the_school_are_not_notes(tmp_path: Path) -> None:
    (tmp_path / "nightschool.toml").write_text("", "utf-8")
    write_labels(tmp_path / "labels.jsonl", [Label("1", "a")])
    (tmp_path / "a").mkdir()
    row = json.dumps({"text": "a table of that name", "label": "b"})
    (tmp_path / "a" / "labels.jsonl").write_text(row, "utf-8")
    found = read_notes(tmp_path)
    assert [note.source for note in found.notes] == ["a/labels.jsonl:1"]
    assert Skipped("labels.jsonl", SkipReason.SCHOOL_FILE) in found.skipped
