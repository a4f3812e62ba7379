"""Reading folders and files of notes."""

from __future__ import annotations

import codecs
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nightschool.config.errors import NotesError, NotesUnavailable
from nightschool.config.kind_settings import KindSettings
from nightschool.config.settings import NotesSettings
from nightschool.notes.note import LoadedNotes, Note, Skipped, SkipReason
from nightschool.notes.readers import read_notes, read_to_classify
from tests.notes.conftest import Put, kinds_of, skipped_in


def test_names_hold_no_control_characters(folder: Path, put: Put) -> None:
    put("a.md", '---\nkind: "\\e[31mred\\0 \\x9b"\n---\n# One \x1b[2J\ntext\n')
    put("b.csv", 'text,label\nx,"\x1b[31mred\nkind"\n')
    try:
        put("c\x1b[2J  d.md", "text")
    except OSError:
        pytest.skip("this file system wants other names")
    found = read_notes(folder, NotesSettings(split="headings")).notes
    assert [(note.source, note.kind) for note in found] == [
        ("a.md#One [2J", "[31mred"),
        ("b.csv:2", "[31mred kind"),
        ("c [2J  d.md", None),
    ]
    table = put("b.csv", '"te\nxt",la\x1bbel\nx,y\n')
    with pytest.raises(NotesError) as caught:
        read_notes(table)
    assert str(caught.value).isprintable()


def test_a_file_of_five_megabytes_is_skipped_and_the_setting_is_named(
    folder: Path, put: Put
) -> None:
    put("a/big.md", b"x" * 5_000_000)
    put("a/fits.md", b"x" * 1_000_000)
    loaded = read_notes(folder)
    assert loaded.skipped == (
        Skipped("a/big.md", SkipReason.TOO_LARGE, "notes.max_bytes = 1,000,000"),
    )
    assert [note.source for note in loaded.notes] == ["a/fits.md"]


def test_a_folder_may_mix_encodings(folder: Path, put: Put) -> None:
    put("a/utf8.md", "\ufeffメモ")
    put("a/utf16.md", "メモ".encode("utf-16"))
    put("a/sjis.txt", "---\nkind: 決定\n---\n会議のメモ".encode("cp932"))
    loaded = read_notes(folder)
    assert [(note.text, note.kind) for note in loaded.notes] == [
        ("会議のメモ", "決定"),
        ("メモ", "a"),
        ("メモ", "a"),
    ]


def test_an_empty_folder_gives_nothing(folder: Path) -> None:
    assert read_notes(folder) == LoadedNotes((), (), ())


def test_a_missing_path_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(NotesUnavailable) as caught:
        read_notes(tmp_path / "gone")
    assert str(caught.value) == (
        f"there are no notes at {tmp_path / 'gone'}: connect its drive, "
        "or set notes.folder in nightschool.toml"
    )


def test_a_single_file_must_be_a_table(put: Put) -> None:
    with pytest.raises(
        NotesError, match=r"is not a notes folder: choose a folder, or a \.jsonl or \.csv file"
    ):
        read_notes(put("a.md", "text"))
    assert kinds_of(read_notes(put("a.JSONL", '{"text": "x", "label": "a"}'))) == {"a.JSONL:1": "a"}


def test_notes_to_classify_need_no_labels_and_lose_their_front_matter(put: Put) -> None:
    table = put("a.csv", "text\nwater boils\n")
    settings = NotesSettings(group_column="book")
    note = put("b.org", "#+kind: fact\nWater boils.")
    assert [n.text for n in read_to_classify(table, settings).notes] == ["water boils"]
    read = read_to_classify(note, NotesSettings())
    assert [n.text for n in read.notes] == ["Water boils."]


def test_a_file_is_split_at_its_headings(folder: Path, put: Put) -> None:
    put(
        "diary.md",
        "---\ntags: [value]\n---\nintro\n## A day\nrain #lesson\n## Two\ntext\n# Empty\n",
    )
    loaded = read_notes(
        folder,
        NotesSettings(split="headings"),
        kinds={"lesson": KindSettings(), "value": KindSettings()},
    )
    assert loaded.notes == (
        Note("intro\n", "value", "diary.md", "diary.md"),
        Note("## A day\nrain\n", "lesson", "diary.md#A day", "diary.md"),
        Note("## Two\ntext\n", "value", "diary.md#Two", "diary.md"),
    )
    assert skipped_in(loaded) == {"diary.md#Empty": "a heading without text below it"}


def test_the_size_limit_applies_to_each_note_of_a_split_file(folder: Path, put: Put) -> None:
    put("a.md", "# One\n" + "x" * 200 + "\n# Two\nfits\n")
    put("huge.md", "# One\nx\n" * 2000)
    loaded = read_notes(folder, NotesSettings(split="headings", max_bytes=100))
    assert [note.source for note in loaded.notes] == ["a.md#Two"]
    assert skipped_in(loaded) == {
        "a.md#One": "larger than notes.max_bytes = 100",
        "huge.md": "larger than 100 times notes.max_bytes = 100",
    }


def test_a_folder_that_vanishes_during_reading_is_an_error(folder: Path, put: Put) -> None:
    for name in ("a/1.md", "a/2.md"):
        put(name, "x")

    def unplug(read: int, total: int, notes: int) -> None:
        if folder.exists():
            shutil.rmtree(folder)

    with pytest.raises(
        NotesUnavailable, match="vanished while it was being read: connect its drive"
    ):
        read_notes(folder, on_progress=unplug)


def test_a_file_that_vanishes_is_skipped(folder: Path, put: Put) -> None:
    put("a/1.md", "x")
    gone = put("a/2.md", "x")
    loaded = read_notes(folder, on_progress=lambda *_: gone.unlink(missing_ok=True))
    assert [note.source for note in loaded.notes] == ["a/1.md"]
    assert skipped_in(loaded)["a/2.md"].startswith("cannot be read: ")


def becomes_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def becomes_a_pipe(file: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda file: file.write_text("short", "utf-8"), "short"),
        (lambda file: file.write_text("x" * 900, "utf-8"), "x" * 900),
        (lambda file: file.write_text("x" * 1001, "utf-8"), "larger than notes.max_bytes = 1,000"),
        (lambda file: file.write_bytes(bytes(range(256)) * 3), "binary file"),
        (becomes_a_folder, "cannot be read: "),
        (becomes_a_pipe, "cannot be read: not a regular file"),
        (lambda file: shutil.rmtree(file.parent), "cannot be read: "),
    ],
)
def test_a_file_that_changes_between_scan_and_reading_is_read_as_it_is_then_or_skipped(
    folder: Path, put: Put, change: Callable[[Path], object], expected: str
) -> None:
    put("a/1.md", "first")
    changing = put("b/2.md", "x" * 100)
    changes = [change]

    def on_progress(*_: int) -> None:
        while changes:
            changes.pop()(changing)

    loaded = read_notes(folder, NotesSettings(max_bytes=1000), on_progress=on_progress)
    found = {note.source: note.text for note in loaded.notes} | skipped_in(loaded)
    assert found["a/1.md"] == "first"
    assert found["b/2.md"].startswith(expected)


def test_progress_is_reported_in_bytes_and_ends_with_the_total(folder: Path, put: Put) -> None:
    put("a/1.md", "x" * 10)
    put("b.jsonl", '{"text": "y", "label": "a"}\n' * 2500)
    reports: list[tuple[int, int, int]] = []
    read_notes(folder, on_progress=lambda *now: reports.append(now))
    total = 10 + (folder / "b.jsonl").stat().st_size
    assert [now[0] for now in reports] == sorted(now[0] for now in reports)
    assert reports[0] == (10, total, 1) and reports[-1] == (total, total, 2501)
    assert [now[2] for now in reports] == [1, 1001, 2001, 2501]
    assert all(now[1] == total for now in reports)


def test_the_encoding_that_is_set_is_that_of_all_files(folder: Path, put: Put) -> None:
    put("a.md", "Řeka teče".encode("cp1250"))
    put("b.md", codecs.BOM_UTF8 + "Řeka stojí".encode())
    put("c.md", "メ".encode())
    loaded = read_notes(folder, NotesSettings(encoding="cp1250"))
    assert [note.text for note in loaded.notes] == ["Řeka teče", "Řeka stojí", "ă\ufffdˇ"]
    assert loaded.warnings == (
        "c.md, line 1, column 2 (byte offset 1): not valid CP1250: read as \ufffd",
    )
