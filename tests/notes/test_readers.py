"""What is read, what kind it has, and what is said about what cannot be read."""

import json
import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from nightschool.config.errors import NotesError, NotesUnavailable
from nightschool.config.settings import NotesSettings
from nightschool.notes.readers import LoadedNotes, Note, Skipped, read_notes

Put = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty notes folder."""
    made = tmp_path / "私の notes"
    made.mkdir()
    return made


@pytest.fixture
def put(folder: Path) -> Put:
    """Writes a file below the notes folder, text as UTF-8."""

    def write(name: str, content: str | bytes) -> Path:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def _kinds(reading: LoadedNotes) -> dict[str, str | None]:
    return {note.source: note.kind for note in reading.notes}


def _skipped(reading: LoadedNotes) -> dict[str, str]:
    return {skipped.source: skipped.reason for skipped in reading.skipped}


def _link(link: Path, target: Path) -> None:
    try:
        link.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this system makes no symbolic links")


# Folders and front matter


def test_a_kind_is_the_first_level_folder(folder: Path, put: Put) -> None:
    put("loose.md", "a")
    put("lesson/a.md", "b")
    put("lesson/deeper/still/b.txt", "c")
    put("買い物 リスト/メモ 1.markdown", "d")
    assert _kinds(read_notes(folder)) == {
        "lesson/a.md": "lesson",
        "lesson/deeper/still/b.txt": "lesson",
        "loose.md": None,
        "買い物 リスト/メモ 1.markdown": "買い物 リスト",
    }


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("lesson", "lesson"),
        ("'決定 事項'", "決定 事項"),
        ("  spaced  ", "spaced"),
        ("no", "no"),
        ("yes", "yes"),
        ("7", "7"),
        ("1.5", "1.5"),
        ("2024-02-01", "2024-02-01"),
        ("", "folder"),
        ("~", "folder"),
        ("null", "folder"),
    ],
)
def test_front_matter_wins_over_the_folder(folder: Path, put: Put, value: str, kind: str) -> None:
    put("folder/a.md", f"---\ntitle: x\nkind: {value}\n---\nThe note.\n")
    reading = read_notes(folder)
    assert reading.notes == (Note("The note.\n", kind, "folder/a.md"),)
    assert reading.warnings == ()


@pytest.mark.parametrize("end", ["---", "...", "--- "])
def test_front_matter_is_taken_off_the_text(folder: Path, put: Put, end: str) -> None:
    put("a.md", f"\ufeff---\r\nkind: lesson\r\n{end}\r\nThe note.\r\n---\r\nmore\r\n")
    assert read_notes(folder).notes == (Note("The note.\n---\nmore\n", "lesson", "a.md"),)


@pytest.mark.parametrize(
    ("text", "kept", "warning"),
    [
        (
            "---\ntitle: x\nkind: [lesson\n---\nbody",
            "body",
            "f/a.md, line 4: broken front matter: ",
        ),
        ("---\nkind: a\ntags: a: b\n---\nbody", "body", "f/a.md, line 3: broken front matter: "),
        ("---\ntitle: \x01\n---\nbody", "body", "f/a.md, line 1: broken front matter: "),
        (
            "---\nkind: a\nbody",
            "---\nkind: a\nbody",
            "f/a.md, line 1: the front matter is never closed with ---",
        ),
        (
            "---\ntitle: x\nkind: [a, b]\n---\nbody",
            "body",
            "f/a.md, line 3: `kind:` is no single name; it is ignored",
        ),
        (
            "---\nkind:\n  a: b\n---\nbody",
            "body",
            "f/a.md, line 2: `kind:` is no single name; it is ignored",
        ),
    ],
)
def test_broken_front_matter_is_named_with_its_line_and_the_note_is_kept(
    folder: Path, put: Put, text: str, kept: str, warning: str
) -> None:
    put("f/a.md", text)
    reading = read_notes(folder)
    assert reading.notes == (Note(kept, "f", "f/a.md"),)
    [said] = reading.warnings
    assert said.startswith(warning)
    assert "\n" not in said


@pytest.mark.parametrize(
    "text",
    [
        "---\nprose between two rules\n---\nbody",
        "---\n- a\n- b\n---\nbody",
        "---\nprose below a rule",
        "---",
        "--- kind: a\n---\n",
        "text\n---\nkind: a\n---\n",
    ],
)
def test_rules_in_prose_are_no_front_matter(folder: Path, put: Put, text: str) -> None:
    put("f/a.md", text)
    reading = read_notes(folder)
    assert reading.notes == (Note(text, "f", "f/a.md"),)
    assert reading.warnings == ()


@pytest.mark.parametrize("matter", ["date: 2024-02-30", "n: " + "9" * 5000, ""])
def test_front_matter_without_a_kind_may_hold_anything(folder: Path, put: Put, matter: str) -> None:
    put("f/a.md", f"---\n{matter}\n---\nbody")
    reading = read_notes(folder)
    assert (reading.notes, reading.warnings) == ((Note("body", "f", "f/a.md"),), ())


def test_no_name_holds_what_a_terminal_obeys(folder: Path, put: Put) -> None:
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
    put("b.csv", '"te\nxt",la\x1bbel\nx,y\n')
    with pytest.raises(NotesError) as caught:
        read_notes(folder)
    assert str(caught.value).isprintable()


# What is skipped


def test_what_is_no_note_is_skipped_with_its_reason(folder: Path, put: Put) -> None:
    put("a/note.md", "text")
    put("a/empty.md", "")
    put("a/blank.txt", " \n\t　\n")
    put("a/only-matter.md", "---\nkind: a\n---\n")
    put("a/.draft.md", "text")
    put(".obsidian/settings.md", "text")
    put("a/photo.PNG", b"\x89PNG")
    put("a/LICENSE", "text")
    put("a/binary.md", bytes(range(256)))
    reading = read_notes(folder)
    assert [note.source for note in reading.notes] == ["a/note.md"]
    assert _skipped(reading) == {
        "a/empty.md": "empty",
        "a/blank.txt": "empty",
        "a/only-matter.md": "empty",
        "a/.draft.md": "hidden",
        ".obsidian": "hidden",
        "a/photo.PNG": "not a note: .PNG",
        "a/LICENSE": "not a note: no suffix",
        "a/binary.md": "binary file",
    }


def test_a_file_of_five_megabytes_is_skipped_and_the_setting_is_named(
    folder: Path, put: Put
) -> None:
    put("a/big.md", b"x" * 5_000_000)
    put("a/fits.md", b"x" * 1_000_000)
    reading = read_notes(folder)
    assert reading.skipped == (Skipped("a/big.md", "over the limit notes.max_bytes = 1,000,000"),)
    assert [note.source for note in reading.notes] == ["a/fits.md"]


def test_a_tables_limit_counts_for_each_row(folder: Path, put: Put) -> None:
    put("a.csv", f"text,label\n{'x' * 200},a\nfits,b\n")
    reading = read_notes(folder, NotesSettings(max_bytes=100))
    assert _skipped(reading) == {"a.csv:2": "over the limit notes.max_bytes = 100"}
    assert _kinds(reading) == {"a.csv:3": "b"}


def test_a_csv_row_may_be_as_long_as_a_note(folder: Path, put: Put) -> None:
    put("a.csv", f"text,label\n{'x' * 500_000},a\n")
    assert len(read_notes(folder).notes[0].text) == 500_000


def test_links_that_leave_the_folder_are_skipped(tmp_path: Path, folder: Path, put: Put) -> None:
    outside = tmp_path / "private"
    outside.mkdir()
    (outside / "secret.md").write_text("secret", encoding="utf-8")
    put("a/note.md", "text")
    _link(folder / "a" / "out.md", outside / "secret.md")
    _link(folder / "out", outside)
    _link(folder / "inside", folder / "a")
    _link(folder / "a" / "alias.md", folder / "a" / "note.md")
    reading = read_notes(folder)
    assert [note.source for note in reading.notes] == ["a/alias.md", "a/note.md"]
    assert _skipped(reading) == {
        "a/out.md": "a link that leaves the notes folder",
        "out": "a link that leaves the notes folder",
        "inside": "a link to a folder",
    }


def test_links_that_lead_nowhere_or_in_a_circle_are_skipped(folder: Path, put: Put) -> None:
    put("a/note.md", "text")
    _link(folder / "a" / "circle.md", folder / "a" / "circle.md")
    _link(folder / "a" / "gone.md", folder / "a" / "no.md")
    reading = read_notes(folder)
    assert [note.source for note in reading.notes] == ["a/note.md"]
    assert set(_skipped(reading)) == {"a/circle.md", "a/gone.md"}
    assert all(reason.startswith("cannot be read") for reason in _skipped(reading).values())


def test_a_file_name_that_is_no_unicode_still_gives_a_writable_source(folder: Path) -> None:
    try:
        with open(os.path.join(os.fsencode(folder), b"caf\xe9.md"), "wb") as stream:
            stream.write(b"text")
    except OSError:
        pytest.skip("this file system wants Unicode names")
    [note] = read_notes(folder).notes
    assert note.source.encode("utf-8") == b"caf?.md"


def test_notes_come_in_an_order_that_no_file_system_changes(folder: Path, put: Put) -> None:
    for name in ("b/2.md", "a/1.md", "c.md", "b/1.md"):
        put(name, name)
    sources = [note.source for note in read_notes(folder).notes]
    assert sources == ["a/1.md", "b/1.md", "b/2.md", "c.md"]


def test_encodings_may_be_mixed_in_a_folder(folder: Path, put: Put) -> None:
    put("a/utf8.md", "\ufeffメモ")
    put("a/utf16.md", "メモ".encode("utf-16"))
    put("a/sjis.txt", "---\nkind: 決定\n---\n会議のメモ".encode("cp932"))
    reading = read_notes(folder)
    assert [(note.text, note.kind) for note in reading.notes] == [
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
        f"there are no notes at {tmp_path / 'gone'}: is its drive connected? "
        "Else set notes.folder in nightschool.toml"
    )


def test_a_single_file_has_to_be_a_table(put: Put) -> None:
    with pytest.raises(NotesError, match=r"notes are a folder, a \.jsonl or a \.csv file"):
        read_notes(put("a.md", "text"))
    assert _kinds(read_notes(put("a.JSONL", '{"text": "x", "label": "a"}'))) == {"a.JSONL:1": "a"}


# Tables


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
    reading = read_notes(folder)
    assert reading.notes == (
        Note("one", "a", "a.jsonl:1"),
        Note("two\u2028lines", "3", "a.jsonl:3"),
        Note("three", None, "a.jsonl:5"),
        Note("four", "true", "a.jsonl:7"),
        Note("five", None, "a.jsonl:9"),
    )
    assert _skipped(reading) == {"a.jsonl:11": "`text` is no text", "a.jsonl:13": "empty"}


@pytest.mark.parametrize("label", [["a", "b"], {"a": 1}])
def test_a_jsonl_label_that_is_no_single_name_is_ignored_and_named(
    folder: Path, put: Put, label: object
) -> None:
    put("a.jsonl", json.dumps({"text": "x", "label": label}))
    reading = read_notes(folder)
    assert reading.notes == (Note("x", None, "a.jsonl:1"),)
    assert reading.warnings == ("a.jsonl:1: `label` is no single name; it is ignored",)


def test_half_a_surrogate_pair_in_jsonl_becomes_a_question_mark(folder: Path, put: Put) -> None:
    put("a.jsonl", r'{"text": "x \ud83d", "label": "k\ud83d"}')
    assert read_notes(folder).notes == (Note("x ?", "k?", "a.jsonl:1"),)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ('{"text": "x"', "no valid JSON (Expecting ',' delimiter): mend the line or take it out"),
        ("text", "no valid JSON (Expecting value): mend the line or take it out"),
        ("9" * 5000, "no valid JSON (Exceeds the limit"),
        ("[" * 100_000, "no valid JSON (maximum recursion depth"),
        ('["x", "a"]', "a JSON object is expected, one a line"),
    ],
)
def test_a_broken_jsonl_line_is_named_with_its_number(
    folder: Path, put: Put, broken: str, said: str
) -> None:
    put("kinds/a.jsonl", f'{{"text": "x", "label": "a"}}\n\n{broken}\n')
    with pytest.raises(NotesError) as caught:
        read_notes(folder)
    assert str(caught.value).startswith(f"kinds/a.jsonl, line 3: {said}")
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


def test_blank_lines_above_a_csv_header_are_passed_over(folder: Path, put: Put) -> None:
    put("a.csv", "\n\ntext;label\nx;a\n")
    assert read_notes(folder).notes == (Note("x", "a", "a.csv:4"),)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("one,a\ntwo, too,a\n", "line 3: 3 fields, but the header has 2: mend the row"),
        ("one,a\n\n\ntwo\n", "line 5: 1 fields, but the header has 2: mend the row"),
        ('"two\nlines",a\none\n', "line 4: 1 fields, but the header has 2: mend the row"),
        (
            'one,a\n"never closed,b\nthree,c\nfour,d\n',
            "line 3: broken row (unexpected end of data)",
        ),
        ('one,a\n"closed" late,b\nthree,c\n', "line 3: broken row ("),
    ],
)
def test_a_broken_csv_row_is_named_by_the_line_where_it_begins(
    folder: Path, put: Put, rows: str, said: str
) -> None:
    put("a.csv", "text,label\n" + rows)
    with pytest.raises(NotesError) as caught:
        read_notes(folder)
    assert str(caught.value).startswith(f"a.csv, {said}")


@pytest.mark.parametrize("name", ["text", "label"])
def test_a_csv_column_that_stands_there_twice_is_an_error_if_it_is_looked_at(
    folder: Path, put: Put, name: str
) -> None:
    put("a.csv", f"\ntext,label,more,more, {name}\nx,a,1,2,y\n")
    with pytest.raises(NotesError) as caught:
        read_notes(folder)
    assert str(caught.value) == (
        f'a.csv, line 2: 2 columns are called "{name}": rename those that are not meant'
    )
    put("a.csv", "text,label,more,more\nx,a,1,2\n")
    assert read_notes(folder).notes == (Note("x", "a", "a.csv:2"),)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "a.csv",
            "texts,label\nx,a\n",
            'a.csv:2: no column "text" (there are: texts, label); '
            'did you mean notes.text_column = "texts"?',
        ),
        (
            "a.csv",
            "text,labels\nx,a\n",
            'a.csv: no column "label" (there are: text, labels); '
            'did you mean notes.label_column = "labels"?',
        ),
        (
            "a.csv",
            "body,label\nx,a\n",
            'a.csv:2: no column "text" (there are: body, label); set notes.text_column',
        ),
        (
            "a.jsonl",
            '{"text": "x", "Label": "a"}\n',
            'a.jsonl: no column "label" (there are: text, Label); '
            'did you mean notes.label_column = "Label"?',
        ),
        (
            "a.jsonl",
            '{"text": "x", "label": "a"}\n{"note": "x", "label": "a"}\n',
            'a.jsonl:2: no column "text" (there are: note, label); set notes.text_column',
        ),
    ],
)
def test_a_missing_column_is_named_with_its_setting_and_the_nearest(
    folder: Path, put: Put, name: str, content: str, said: str
) -> None:
    put(name, content)
    with pytest.raises(NotesError) as caught:
        read_notes(folder)
    assert str(caught.value) == said


def test_columns_are_the_ones_that_the_settings_name(folder: Path, put: Put) -> None:
    put("a.csv", "本文,種類,text,label\nx,a,y,b\n")
    reading = read_notes(folder, NotesSettings(text_column="本文", label_column="種類"))
    assert reading.notes == (Note("x", "a", "a.csv:2"),)


@pytest.mark.parametrize("content", ["", "text,label\n", "\n"])
def test_a_table_without_rows_gives_nothing(folder: Path, put: Put, content: str) -> None:
    put("a.csv", content)
    put("a.jsonl", "\n")
    assert read_notes(folder).notes == ()


# Kinds beside one another


@pytest.mark.parametrize(
    ("one", "other"), [("Lesson", "lesson"), ("ＴＯＤＯ", "TODO"), ("ﾒﾓ", "メモ")]
)
def test_kinds_that_differ_in_case_or_width_alone_are_named(
    folder: Path, put: Put, one: str, other: str
) -> None:
    put("a.jsonl", "".join(json.dumps({"text": k, "label": k}) + "\n" for k in (one, other, "x")))
    with pytest.raises(NotesError) as caught:
        read_notes(folder)
    assert str(caught.value) == (
        f'the kinds "{one}" (a.jsonl:1) and "{other}" (a.jsonl:2) differ in case or width alone: '
        "give them one name"
    )


def test_a_kind_of_the_settings_may_not_be_spelled_otherwise_in_the_notes(
    folder: Path, put: Put
) -> None:
    put("lesson/a.md", "x")
    assert _kinds(read_notes(folder, kinds=["lesson"])) == {"lesson/a.md": "lesson"}
    with pytest.raises(NotesError) as caught:
        read_notes(folder, kinds=["Lesson"])
    assert str(caught.value) == (
        'the kinds "Lesson" (under [kinds] in nightschool.toml) and "lesson" (lesson/a.md) differ in '
        "case or width alone: give them one name"
    )


def test_a_kind_is_one_kind_however_its_marks_are_composed(folder: Path, put: Put) -> None:
    put("a.jsonl", '{"text": "x", "label": " ガ"}\n{"text": "y", "label": "\\u30ab\\u3099"}\n')
    assert {note.kind for note in read_notes(folder).notes} == {"ガ"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_skipped(folder: Path) -> None:
    os.mkfifo(folder / "pipe.md")
    assert read_notes(folder).skipped == (Skipped("pipe.md", "no regular file"),)


def test_a_csv_header_may_be_padded_and_hold_separators_in_quotes(folder: Path, put: Put) -> None:
    put("a.csv", 'text, label ,"a;b;c;d"\nwater boils,fact,x\n')
    assert _kinds(read_notes(folder)) == {"a.csv:2": "fact"}


def test_a_kind_stays_on_one_line(folder: Path, put: Put) -> None:
    put("a.jsonl", json.dumps({"text": "water boils", "label": "a\n fact"}))
    assert _kinds(read_notes(folder)) == {"a.jsonl:1": "a fact"}


def test_the_nearest_column_is_found_whatever_its_case(folder: Path, put: Put) -> None:
    put("a.jsonl", json.dumps({"TEXT": "water boils", "LABEL": "fact"}))
    with pytest.raises(NotesError, match=r'did you mean notes\.text_column = "TEXT"'):
        read_notes(folder)


def test_notes_to_be_sorted_need_no_labels_and_lose_their_front_matter(put: Put) -> None:
    table = put("a.csv", "text\nwater boils\n")
    settings = NotesSettings(group_column="book")
    note = put("b.org", "---\nkind: fact\n---\nWater boils.")
    assert [n.text for n in read_notes(table, settings, labelled=False).notes] == ["water boils"]
    assert [n.text for n in read_notes(note, labelled=False).notes] == ["Water boils."]


# What names a kind


def test_types_and_tags_name_a_kind_where_folders_kind_or_the_settings_do(
    folder: Path, put: Put
) -> None:
    put("lesson/a.md", "x")
    put("1.md", "---\ntype: Lesson\n---\nx")
    put("2.md", "---\ntype: daily\n---\nx")
    put("3.md", "---\ntags: [home, value]\n---\nx")
    put("4.md", "---\nkind: decision\n---\nx")
    put("5.md", "---\ntags: home, decision\n---\nx")
    put("6.md", "x #idea")
    reading = read_notes(folder, kinds=["value"])
    assert list(_kinds(reading).values()) == [
        "lesson", None, "value", "decision", "decision", None, "lesson",
    ]  # fmt: skip
    assert reading.warnings == ()


def test_a_tag_that_names_a_kind_is_not_left_in_the_text(folder: Path, put: Put) -> None:
    put("lesson/a.md", "#lesson Never on a Friday. #work")
    put("b.md", "Never on a Friday. #Lesson")
    put("c.md", "#lesson")
    reading = read_notes(folder)
    assert reading.notes == (
        Note("Never on a Friday. ", "lesson", "b.md"),
        Note(" Never on a Friday. #work", "lesson", "lesson/a.md"),
    )
    assert _skipped(reading) == {"c.md": "empty"}


def test_tags_are_left_alone_where_they_name_no_kinds(folder: Path, put: Put) -> None:
    put("lesson/a.md", "x #lesson")
    put("b.md", "y #lesson")
    reading = read_notes(folder, NotesSettings(kind_from=["kind", "folder"]))
    assert [(n.text, n.kind) for n in reading.notes] == [
        ("y #lesson", None),
        ("x #lesson", "lesson"),
    ]


def test_folders_may_be_no_kinds(folder: Path, put: Put) -> None:
    put("projects/a.md", "x #lesson")
    put("projects/b.md", "y")
    settings = NotesSettings(kind_from=["kind", "tags"])
    assert _kinds(read_notes(folder, settings, kinds=["lesson"])) == {
        "projects/a.md": "lesson",
        "projects/b.md": None,
    }


def test_two_tags_that_name_kinds_are_told_with_the_note(folder: Path, put: Put) -> None:
    put("a.md", "x #lesson #value")
    reading = read_notes(folder, kinds=["lesson", "value"])
    assert reading.notes == (Note("x  ", None, "a.md"),)
    assert reading.warnings == ("a.md: its tags name 2 kinds (lesson, value): leave one",)


def test_tags_that_could_be_kinds_are_named_where_nothing_has_a_kind(
    folder: Path, put: Put
) -> None:
    put("a.md", "---\ntype: memo\ntags: [lesson]\n---\nx #lesson")
    put("b.md", "x #lesson #home")
    assert read_notes(folder).warnings == (
        "no note has a kind, but there are #lesson (2), type: memo (1), #home (1): "
        "name those that are kinds under [kinds]",
    )


@pytest.mark.parametrize("kind", ["train", "test", "validation"])
def test_a_kind_may_be_called_as_a_side_is(folder: Path, put: Put, kind: str) -> None:
    put(f"{kind}/a.md", "x")
    assert _kinds(read_notes(folder)) == {f"{kind}/a.md": kind}


# Files of several notes


def test_a_file_is_split_by_its_headings(folder: Path, put: Put) -> None:
    put(
        "diary.md",
        "---\ntags: [value]\n---\nintro\n## A day\nrain #lesson\n## Two\ntext\n# Empty\n",
    )
    reading = read_notes(folder, NotesSettings(split="headings"), kinds=["lesson", "value"])
    assert reading.notes == (
        Note("intro\n", "value", "diary.md", "diary.md"),
        Note("## A day\nrain \n", "lesson", "diary.md#A day", "diary.md"),
        Note("## Two\ntext\n", "value", "diary.md#Two", "diary.md"),
    )
    assert _skipped(reading) == {"diary.md#Empty": "a heading with nothing below it"}


def test_in_a_file_that_is_split_the_limit_counts_for_each_note(folder: Path, put: Put) -> None:
    put("a.md", "# One\n" + "x" * 200 + "\n# Two\nfits\n")
    put("huge.md", "# One\nx\n" * 2000)
    reading = read_notes(folder, NotesSettings(split="headings", max_bytes=100))
    assert [note.source for note in reading.notes] == ["a.md#Two"]
    assert _skipped(reading) == {
        "a.md#One": "over the limit notes.max_bytes = 100",
        "huge.md": "over 100 times the limit notes.max_bytes = 100",
    }


# Large tables, and folders that go away


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
def test_a_table_may_have_any_encoding(folder: Path, put: Put, encoding: str) -> None:
    put("a.csv", "text,label\n会議のメモです,仕事\n".encode(encoding))
    assert read_notes(folder).notes == (Note("会議のメモです", "仕事", "a.csv:2"),)


def test_a_line_of_ten_megabytes_is_skipped_and_the_next_is_read(folder: Path, put: Put) -> None:
    put("a.jsonl", json.dumps({"text": "x" * 10_000_000}) + '\n{"text": "y", "label": "a"}\n')
    reading = read_notes(folder)
    assert _skipped(reading) == {"a.jsonl:1": "over the limit notes.max_bytes = 1,000,000"}
    assert _kinds(reading) == {"a.jsonl:2": "a"}


def test_a_binary_table_is_skipped(folder: Path, put: Put) -> None:
    put("a.csv", bytes(range(256)) * 4)
    assert _skipped(read_notes(folder)) == {"a.csv": "binary file"}


def test_reading_a_large_table_holds_little_but_its_texts(folder: Path, put: Put) -> None:
    row = json.dumps({"text": "note " * 20, "label": "a", "more": "x" * 2000})
    put("a.jsonl", f"{row}\n" * 3000)
    tracemalloc.start()
    reading = read_notes(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(reading.notes) == 3000
    assert peak < (folder / "a.jsonl").stat().st_size / 2


def test_notes_that_vanish_while_they_are_read_are_an_error(folder: Path, put: Put) -> None:
    for name in ("a/1.md", "a/2.md"):
        put(name, "x")

    def unplug(read: int, total: int, notes: int) -> None:
        if folder.exists():
            shutil.rmtree(folder)

    with pytest.raises(
        NotesUnavailable, match="vanished while it was read: is its drive connected"
    ):
        read_notes(folder, progress=unplug)


def test_a_file_that_vanishes_is_skipped(folder: Path, put: Put) -> None:
    put("a/1.md", "x")
    gone = put("a/2.md", "x")
    reading = read_notes(folder, progress=lambda *_: gone.unlink(missing_ok=True))
    assert [note.source for note in reading.notes] == ["a/1.md"]
    assert _skipped(reading)["a/2.md"].startswith("cannot be read: ")


def test_progress_is_told_in_bytes_and_ends_with_all_of_them(folder: Path, put: Put) -> None:
    put("a/1.md", "x" * 10)
    put("b.jsonl", '{"text": "y", "label": "a"}\n' * 2500)
    told: list[tuple[int, int, int]] = []
    read_notes(folder, progress=lambda *now: told.append(now))
    total = 10 + (folder / "b.jsonl").stat().st_size
    assert [now[0] for now in told] == sorted(now[0] for now in told)
    assert told[0] == (10, total, 1) and told[-1] == (total, total, 2501)
    assert [now[2] for now in told] == [1, 1001, 2001, 2501]
    assert all(now[1] == total for now in told)


def test_a_folder_that_may_not_be_read_is_skipped(folder: Path, put: Put) -> None:
    put("a/1.md", "x")
    put("b/1.md", "x")
    (folder / "a").chmod(0)
    try:
        if os.access(folder / "a", os.R_OK):
            pytest.skip("this user may read everything")
        reading = read_notes(folder)
    finally:
        (folder / "a").chmod(0o700)
    assert [note.source for note in reading.notes] == ["b/1.md"]
    assert _skipped(reading)["a"].startswith("cannot be read: ")
