"""JSONL and CSV: rows, columns, and the line of whatever is broken."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from nightschool.config.errors import NotesError
from nightschool.config.settings import NotesSettings
from nightschool.notes.note import Note, SkipReason
from nightschool.notes.readers import read_notes
from tests.notes.conftest import Put, kinds_of, skipped_in


def test_jsonl_rows_have_their_kinds_and_line_numbers(folder: Path, put: Put) -> None:
    rows = [
        {"text": "one", "label": "a"},
        {"text": "two\u2028lines", "label": 3},
        {"text": "three", "label": None},
        {"text": "four", "label": True, "more": []},
        {"text": "five"},
        {"text": 6, "label": "a"},
        {"text": " ", "label": "a"},
    ]
    put("a.jsonl", "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n")
    loaded = read_notes(folder)
    assert loaded.notes == (
        Note("one", "a", "a.jsonl:1"),
        Note("two\u2028lines", "3", "a.jsonl:3"),
        Note("three", None, "a.jsonl:5"),
        Note("four", "true", "a.jsonl:7"),
        Note("five", None, "a.jsonl:9"),
    )
    assert skipped_in(loaded) == {"a.jsonl:11": "no text in column `text`", "a.jsonl:13": "empty"}


@pytest.mark.parametrize("label", [["a", "b"], {"a": 1}, "x" * 201])
def test_a_jsonl_label_that_is_not_a_single_name_is_ignored_and_reported(
    folder: Path, put: Put, label: object
) -> None:
    put("a.jsonl", json.dumps({"text": "x", "label": label}))
    loaded = read_notes(folder)
    assert loaded.notes == (Note("x", None, "a.jsonl:1"),)
    assert loaded.warnings == ("a.jsonl:1: `label` is not a single name and is ignored",)


def test_a_lone_surrogate_in_jsonl_becomes_a_question_mark(folder: Path, put: Put) -> None:
    put("a.jsonl", r'{"text": "x \ud83d", "label": "k\ud83d"}')
    assert read_notes(folder).notes == (Note("x ?", "k?", "a.jsonl:1"),)


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ('{"text": "x"', "not valid JSON (Expecting ',' delimiter): correct or remove the line"),
        ("text", "not valid JSON (Expecting value): correct or remove the line"),
        ("9" * 5000, "not valid JSON (Exceeds the limit"),
        ("[" * 100_000, "not valid JSON (maximum recursion depth"),
        ('["x", "a"]', "not a JSON object: write one object per line"),
    ],
)
def test_a_broken_jsonl_line_is_named_with_its_number(
    folder: Path, put: Put, broken: str, expected: str
) -> None:
    put("kinds/a.jsonl", f'{{"text": "x", "label": "a"}}\n\n{broken}\n')
    with pytest.raises(NotesError) as caught:
        read_notes(folder)
    assert str(caught.value).startswith(f"kinds/a.jsonl, line 3: {expected}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_is_read_with_any_usual_delimiter(
    folder: Path, put: Put, delimiter: str, end: str
) -> None:
    rows = [
        ["id", "text", "label"],
        ["1", '"two\nlines, ""quoted""; tab\t."', "a"],
        ["2", "メモ", "仕事 メモ"],
        [],
        ["3", "x", ""],
    ]
    put("a.csv", "\ufeff" + "".join(delimiter.join(row) + end for row in rows))
    assert read_notes(folder).notes == (
        Note('two\nlines, "quoted"; tab\t.', "a", "a.csv:2"),
        Note("メモ", "仕事 メモ", "a.csv:4"),
        Note("x", None, "a.csv:6"),
    )


def test_blank_lines_above_a_csv_header_are_ignored(folder: Path, put: Put) -> None:
    put("a.csv", "\n\ntext;label\nx;a\n")
    assert read_notes(folder).notes == (Note("x", "a", "a.csv:4"),)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("one,a\ntwo, too,a\n", "line 3: 3 fields, but the header has 2: correct the row"),
        ("one,a\n\n\ntwo\n", "line 5: 1 fields, but the header has 2: correct the row"),
        ('"two\nlines",a\none\n', "line 4: 1 fields, but the header has 2: correct the row"),
        (
            'one,a\n"never closed,b\nthree,c\nfour,d\n',
            "line 3: broken row (unexpected end of data)",
        ),
        ('one,a\n"closed" late,b\nthree,c\n', "line 3: broken row ("),
    ],
)
def test_a_broken_csv_row_is_named_by_its_first_line(
    folder: Path, put: Put, rows: str, expected: str
) -> None:
    put("a.csv", "text,label\n" + rows)
    with pytest.raises(NotesError) as caught:
        read_notes(folder)
    assert str(caught.value).startswith(f"a.csv, {expected}")


@pytest.mark.parametrize("name", ["text", "label"])
def test_a_repeated_csv_column_is_an_error_if_it_is_used(folder: Path, put: Put, name: str) -> None:
    put("a.csv", f"\ntext,label,more,more, {name}\nx,a,1,2,y\n")
    with pytest.raises(NotesError) as caught:
        read_notes(folder)
    assert str(caught.value) == (
        f'a.csv, line 2: 2 columns are called "{name}": rename all but one'
    )
    put("a.csv", "text,label,more,more\nx,a,1,2\n")
    assert read_notes(folder).notes == (Note("x", "a", "a.csv:2"),)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "a.csv",
            "texts,label\nx,a\n",
            'a.csv:2: no column "text" (columns: texts, label): '
            'did you mean notes.text_column = "texts"?',
        ),
        (
            "a.csv",
            "text,labels\nx,a\n",
            'a.csv: no column "label" (columns: text, labels): '
            'did you mean notes.label_column = "labels"?',
        ),
        (
            "a.csv",
            "body,label\nx,a\n",
            'a.csv:2: no column "text" (columns: body, label): set notes.text_column',
        ),
        (
            "a.jsonl",
            '{"text": "x", "Label": "a"}\n',
            'a.jsonl: no column "label" (columns: text, Label): '
            'did you mean notes.label_column = "Label"?',
        ),
        (
            "a.jsonl",
            '{"text": "x", "label": "a"}\n{"note": "x", "label": "a"}\n',
            'a.jsonl:2: no column "text" (columns: note, label): set notes.text_column',
        ),
    ],
)
def test_a_missing_column_is_named_with_its_setting_and_the_nearest(
    folder: Path, put: Put, name: str, content: str, expected: str
) -> None:
    put(name, content)
    with pytest.raises(NotesError) as caught:
        read_notes(folder)
    assert str(caught.value) == expected


def test_the_settings_name_the_columns(folder: Path, put: Put) -> None:
    put("a.csv", "本文,種類,text,label\nx,a,y,b\n")
    loaded = read_notes(folder, NotesSettings(text_column="本文", label_column="種類"))
    assert loaded.notes == (Note("x", "a", "a.csv:2"),)


@pytest.mark.parametrize("content", ["", "text,label\n", "\n"])
def test_a_table_without_rows_gives_nothing(folder: Path, put: Put, content: str) -> None:
    put("a.csv", content)
    put("a.jsonl", "\n")
    assert read_notes(folder).notes == ()


def test_a_csv_header_may_be_padded_and_quote_separators(folder: Path, put: Put) -> None:
    put("a.csv", 'text, label ,"a;b;c;d"\nwater boils,fact,x\n')
    assert kinds_of(read_notes(folder)) == {"a.csv:2": "fact"}


def test_the_nearest_column_is_found_in_any_case(folder: Path, put: Put) -> None:
    put("a.jsonl", json.dumps({"TEXT": "water boils", "LABEL": "fact"}))
    with pytest.raises(NotesError, match=r'did you mean notes\.text_column = "TEXT"'):
        read_notes(folder)


def test_the_group_column_names_the_origin_of_each_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label,,from\nwater,x,0,A\nfire,x,1,\n", encoding="utf-8")
    origins = [
        note.origin for note in read_notes(tmp_path, NotesSettings(group_column="from")).notes
    ]
    assert origins == ["A", ""]
    assert [note.origin for note in read_notes(tmp_path).notes] == ["", ""]
    (tmp_path / "b.jsonl").write_text(
        '{"text": "water", "label": "x", "from": 7}\n{"text": "fire", "label": "x", "from": null}\n',
        encoding="utf-8",
    )
    origins = [
        note.origin
        for note in read_notes(tmp_path / "b.jsonl", NotesSettings(group_column="from")).notes
    ]
    assert origins == ["7", ""]


def test_a_missing_group_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label,Author\nwater,x,A\n", encoding="utf-8")
    with pytest.raises(NotesError) as caught:
        read_notes(tmp_path, NotesSettings(group_column="author"))
    assert str(caught.value) == (
        'a.csv:2: no column "author" (columns: text, label, Author): did you mean '
        'notes.group_column = "Author"?'
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
def test_a_table_may_have_any_encoding(folder: Path, put: Put, encoding: str) -> None:
    put("a.csv", "text,label\n会議のメモです,仕事\n".encode(encoding))
    assert read_notes(folder).notes == (Note("会議のメモです", "仕事", "a.csv:2"),)


def test_a_binary_table_is_skipped(folder: Path, put: Put) -> None:
    put("a.csv", bytes(range(256)) * 4)
    assert skipped_in(read_notes(folder)) == {"a.csv": "binary file"}


def test_a_csv_row_may_be_as_long_as_a_note(folder: Path, put: Put) -> None:
    put("a.csv", f"text,label\n{'x' * 500_000},a\n")
    assert len(read_notes(folder).notes[0].text) == 500_000


def test_the_size_limit_applies_to_each_row_of_a_table(folder: Path, put: Put) -> None:
    put("a.csv", f"text,label\n{'x' * 200},a\nfits,b\n")
    loaded = read_notes(folder, NotesSettings(max_bytes=100))
    assert skipped_in(loaded) == {"a.csv:2": "larger than notes.max_bytes = 100"}
    assert kinds_of(loaded) == {"a.csv:3": "b"}


def test_a_line_of_ten_megabytes_is_skipped_and_the_next_is_read(folder: Path, put: Put) -> None:
    put("a.jsonl", json.dumps({"text": "x" * 10_000_000}) + '\n{"text": "y", "label": "a"}\n')
    loaded = read_notes(folder)
    assert skipped_in(loaded) == {"a.jsonl:1": "larger than 10 times notes.max_bytes = 1,000,000"}
    assert kinds_of(loaded) == {"a.jsonl:2": "a"}


def test_reading_a_large_table_takes_little_more_memory_than_its_texts(
    folder: Path, put: Put
) -> None:
    row = json.dumps({"text": "note " * 20, "label": "a", "more": "x" * 2000})
    put("a.jsonl", f"{row}\n" * 3000)
    tracemalloc.start()
    loaded = read_notes(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(loaded.notes) == 3000
    assert peak < (folder / "a.jsonl").stat().st_size / 2


_LIMITED = NotesSettings(max_bytes=10)  # a row may have 100 characters
_TOO_LONG = "larger than 10 times notes.max_bytes = 10"


@pytest.mark.parametrize("middle", ["x" * 5000, "[" * 200_000, "\0" * 200, '"' * 151])
def test_a_long_jsonl_line_is_skipped_whatever_it_holds(
    folder: Path, put: Put, middle: str
) -> None:
    put("a.jsonl", f'{{"text": "one", "label": "a"}}\n{middle}\n{{"text": "two"}}\n{middle}')
    loaded = read_notes(folder, _LIMITED)
    if "\0" in middle:  # not read as UTF-8
        assert loaded.notes == () and list(skipped_in(loaded)) == ["a.jsonl"]
        return
    assert loaded.notes == (Note("one", "a", "a.jsonl:1"), Note("two", None, "a.jsonl:3"))
    assert skipped_in(loaded) == {"a.jsonl:2": _TOO_LONG, "a.jsonl:4": _TOO_LONG}


@pytest.mark.parametrize(
    ("row", "lines"),
    [
        (f'"{"x" * 5000}",a', 1),
        ("x" * 5000 + ",a", 1),
        ('"' + "x,y\n" * 60 + '",a', 61),
        ('"' + 'say ""a"",\n' * 60 + '",a', 61),
        ('"' + "\n" * 99 + "x" * 200 + '\n",a', 101),
    ],
)
def test_a_long_csv_row_is_skipped_to_the_end_of_its_quotes(
    folder: Path, put: Put, row: str, lines: int
) -> None:
    put("a.csv", f"text,label\none,a\n{row}\ntwo,b\n\n{row}\nthree,c\n")
    loaded = read_notes(folder, _LIMITED)
    assert loaded.notes == (
        Note("one", "a", "a.csv:2"),
        Note("two", "b", f"a.csv:{3 + lines}"),
        Note("three", "c", f"a.csv:{5 + 2 * lines}"),
    )
    assert skipped_in(loaded) == {"a.csv:3": _TOO_LONG, f"a.csv:{5 + lines}": _TOO_LONG}


def test_quotes_that_never_close_are_an_error_at_any_length(folder: Path, put: Put) -> None:
    put("a.csv", 'text,label\none,a\n"' + "x,b\n" * 5000)
    with pytest.raises(NotesError, match=r"a\.csv, line 3: broken row \(unexpected end of data\)"):
        read_notes(folder, _LIMITED)


def test_a_long_csv_header_is_an_error(folder: Path, put: Put) -> None:
    put("a.csv", "text," * 5000 + "\nx\n")
    with pytest.raises(NotesError, match=r"a\.csv, line 1: the header has more than 100 char"):
        read_notes(folder, _LIMITED)


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_long_row_takes_no_memory(folder: Path, put: Put, suffix: str) -> None:
    put(f"a.{suffix}", "text,label\n" * (suffix == "csv") + "x" * 5_000_000)
    read_notes(folder, _LIMITED)
    tracemalloc.start()
    read_notes(folder, _LIMITED)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


def test_a_table_of_zeros_is_skipped_unread(folder: Path, put: Put) -> None:
    with put("a.csv", "").open("r+b") as file:
        file.truncate(3_000_000_000)
    tracemalloc.start()
    loaded = read_notes(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert skipped_in(loaded) == {"a.csv": "larger than 32,000,000 bytes, and not UTF-8"}
    assert peak < 100_000_000


def test_a_broken_byte_in_a_table_is_reported_with_its_row(folder: Path, put: Put) -> None:
    rows = 'text,label\nÉtape une,étape\n"Où \nça",étape\nDéjà là,étape\n'.encode()
    put("a.csv", rows.replace("ça".encode(), b"\xe7a").replace("là".encode(), b"l\0\xe0"))
    loaded = read_notes(folder)
    assert [(note.source, note.text) for note in loaded.notes] == [
        ("a.csv:2", "Étape une"),
        ("a.csv:3", "Où \n\ufffda"),
        ("a.csv:5", "Déjà l\ufffd"),
    ]
    assert {*kinds_of(loaded).values()} == {"étape"}
    assert loaded.warnings == (
        "a.csv:3, line 4, column 1 (byte offset 35); a.csv:5, column 8 (byte offset 55): "
        "not valid UTF-8: read as \ufffd",
        "a.csv:5: a NUL byte is left out",
    )


def test_a_broken_byte_in_the_header_is_reported_with_its_line(folder: Path, put: Put) -> None:
    header = "text,label,données\n".encode().replace("é".encode(), b"\xe9")
    put("a.csv", header + "Où ça,là,à\n".encode())
    assert read_notes(folder).warnings == (
        "a.csv, line 1, column 16 (byte offset 15): not valid UTF-8: read as \ufffd",
    )


def test_a_table_in_the_encoding_that_is_set_is_read(folder: Path, put: Put) -> None:
    put("a.csv", "text,label\nŁódź,miasto\n".encode("cp852"))
    loaded = read_notes(folder, NotesSettings(encoding="cp852"))
    assert loaded.notes == (Note("Łódź", "miasto", "a.csv:2"),)
    assert loaded.warnings == ()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("budget.csv", "Budget 2024\n\nItem,Cost\nx,1\n"),
        ("ragged.csv", "Item,Cost\nx,1,2\n"),
        ("quotes.csv", 'Item,Cost\n"x,1\n'),
        ("links.csv", "url,text\nhttps://example.org,hello\n"),
        ("chat.jsonl", '["hello"]\n'),
        ("log.jsonl", '{"text": "a"}\n{"level": 1}\n'),
    ],
)
def test_among_notes_a_table_of_something_else_is_skipped_whole(
    folder: Path, put: Put, name: str, content: str
) -> None:
    put("lesson/a.md", "Never deploy.")
    put(f"data/{name}", content)
    loaded = read_notes(folder)
    assert [note.source for note in loaded.notes] == ["lesson/a.md"]
    [skipped] = loaded.skipped
    assert skipped.source == f"data/{name}" and skipped.reason is SkipReason.NO_TABLE
    with pytest.raises(NotesError):
        read_notes(folder / "data" / name)
