"""Front matter: what it names, and what is reported if it is broken."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nightschool.notes.metadata.note_metadata import read_metadata
from nightschool.notes.note import Note
from nightschool.notes.readers import read_notes
from tests.notes.conftest import Put


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
def test_front_matter_precedes_the_folder(folder: Path, put: Put, value: str, kind: str) -> None:
    put("folder/a.md", f"---\ntitle: x\nkind: {value}\n---\nThe note.\n")
    loaded = read_notes(folder)
    assert loaded.notes == (Note("The note.\n", kind, "folder/a.md"),)
    assert loaded.warnings == ()


@pytest.mark.parametrize("end", ["---", "...", "--- "])
def test_front_matter_is_removed_from_the_text(folder: Path, put: Put, end: str) -> None:
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
            "f/a.md, line 1: the front matter is not closed with ---",
        ),
        (
            "---\ntitle: x\nkind: [a, b]\n---\nbody",
            "body",
            "f/a.md, line 3: `kind:` is not a single name and is ignored",
        ),
        (
            "---\nkind:\n  a: b\n---\nbody",
            "body",
            "f/a.md, line 2: `kind:` is not a single name and is ignored",
        ),
    ],
)
def test_broken_front_matter_is_reported_with_its_line_and_the_note_is_kept(
    folder: Path, put: Put, text: str, kept: str, warning: str
) -> None:
    put("f/a.md", text)
    loaded = read_notes(folder)
    assert [note.text for note in loaded.notes] == [kept]
    [found] = loaded.warnings
    assert found.startswith(warning)
    assert "\n" not in found


@pytest.mark.parametrize(
    "text",
    [
        "---\nprose between two rules\n---\nbody",
        "---\n- a\n- b\n---\nbody",
        "---\nprose below a rule",
        "---",
        "--- kind: a\n---\n",
    ],
)
def test_horizontal_rules_are_not_front_matter(folder: Path, put: Put, text: str) -> None:
    put("f/a.md", text)
    loaded = read_notes(folder)
    assert loaded.notes == (Note(text, "f", "f/a.md"),)
    assert loaded.warnings == ()


@pytest.mark.parametrize("matter", ["date: 2024-02-30", "n: " + "9" * 5000, ""])
def test_front_matter_without_a_kind_may_hold_anything(folder: Path, put: Put, matter: str) -> None:
    put("f/a.md", f"---\n{matter}\n---\nbody")
    loaded = read_notes(folder)
    assert (loaded.notes, loaded.warnings) == ((Note("body", "f", "f/a.md"),), ())


@pytest.mark.parametrize(
    ("matter", "origin"),
    [
        ("kind: fact", ""),
        ("source: A Book", "A Book"),
        ("source: 『本』\nkind: fact", "『本』"),
        ("url: https://example.org/a#b", "https://example.org/a#b"),
        ("source: web\nurl: https://example.org", "https://example.org"),
        ("source: web\nurl:", "web"),
        ("source: null", ""),
        ("source: [one, two]", ""),
        ("source: 12\nkind: [one, two]", "12"),
    ],
)
def test_the_front_matter_names_the_origin(tmp_path: Path, matter: str, origin: str) -> None:
    (tmp_path / "note.md").write_text(f"---\n{matter}\n---\nWater boils.", encoding="utf-8")
    assert [(note.text, note.origin) for note in read_notes(tmp_path).notes] == [
        ("Water boils.", origin)
    ]


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ('[a, "#b", " c ", a, [d], ""]', ("a", "#b", " c ", "a", "d")),
        ("a, b c", ("a", "b", "c")),
        ("[two words, b]", ("two words", "b")),
        ("", ()),
        ("~", ()),
    ],
)
def test_tags_are_a_list_or_a_text_with_commas_or_spaces(value: str, tags: tuple[str, ...]) -> None:
    assert read_metadata(f"---\ntags: {value}\n---\nx", "a.md").values("tags") == tags


@pytest.mark.parametrize(
    "text",
    [
        '+++\ntitle = "x"\nkind = "lesson"\n+++\nbody',
        '+++\ndate = 2024-01-01\n[taxonomies]\nkind = ["lesson"]\n+++\nbody',
        '{"title": "x", "kind": "lesson"}\nbody',
        '{\n  "kind": ["lesson"],\n  "date": null\n}\n\nbody',
        "\n\n---\nkind: lesson\n---\nbody",
        "\ufeff\ufeff---\nkind: lesson\n---\nbody",
        "<!-- written by hand -->\n---\nkind: lesson\n---\nbody",
        "title:: x\n---\nkind: lesson\n---\nbody",
        "---\ntitle: x\n---\n\n---\nkind: lesson\n---\nbody",
        "---\nkind:lesson\n---\nbody",
        "---\nkind： lesson\n---\nbody",
        "---\nkind: [[lesson]]\n---\nbody",
        "---\nKind: lesson\n---\nbody",
    ],
)
def test_front_matter_in_any_syntax_gives_the_kind_and_leaves_the_text(
    folder: Path, put: Put, text: str
) -> None:
    put("a.md", text)
    [note] = read_notes(folder).notes
    assert (note.text.strip(), note.kind, note.kind_from) == ("body", "lesson", "kind")


@pytest.mark.parametrize(
    "text",
    [
        "---\nNote: the plug was pulled\n---\nrest",
        "---\nTo do: call the plumber about the leak\n---\nrest",
        '{"a": 1}\nrest',
        '{"kind": "lesson"}',
        "+++\nrest",
    ],
)
def test_prose_and_code_at_the_top_stay(folder: Path, put: Put, text: str) -> None:
    put("a.md", text)
    assert [note.text for note in read_notes(folder).notes] == [text]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "---\nkind: a\nkind: b\n---\nx",
            "a.md, lines 2 and 3: `kind:` is given twice",
        ),
        (
            "---\nkind: a\n---\n---\nkind: b\n---\nx",
            "a.md, lines 2 and 5: `kind:` is given twice",
        ),
        (
            "---\nkind: #lesson\n---\nx",
            "a.md, line 2: `#lesson` is a comment in YAML: put it in quotes",
        ),
        (
            "---\ntags:\n  - #lesson\n---\nx",
            "a.md, line 3: `#lesson` is a comment in YAML: put it in quotes",
        ),
        (
            "---\ntags: #lesson #home\n---\nx",
            "a.md, line 2: `#lesson #home` is a comment in YAML: put it in quotes",
        ),
        (
            "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> other\n",
            "a.md, line 1: a conflict of two versions is not resolved",
        ),
        (
            "text\n\n---\nkind: lesson\n---\nx",
            "a.md, line 3: a front matter that is not at the top is not read",
        ),
        (
            "+++\nkind = lesson\n+++\nx",
            "a.md, line 2: broken front matter: Invalid value",
        ),
    ],
)
def test_what_is_odd_is_named_with_its_line(
    folder: Path, put: Put, text: str, warning: str
) -> None:
    put("a.md", text)
    assert warning in read_notes(folder).warnings


def test_a_trouble_of_many_notes_is_one_warning(folder: Path, put: Put) -> None:
    for name in "abcde":
        put(f"{name}.md", "---\nkind: #lesson\n---\nx " + name)
    assert read_notes(folder).warnings == (
        "a.md, line 2; b.md, line 2; c.md, line 2 and 2 more: `#lesson` is a comment in YAML: put it in quotes",
    )


@pytest.mark.parametrize(
    ("block", "detail"),
    [
        ("kind" + ".a" * 100_000 + " = 1", "longer than 65,536 characters"),
        ("kind" + ".a" * 30_000 + " = 1", "more than 32 levels deep"),
        ("kind = " + "[" * 30_000, "more than 32 levels deep"),
        ("kind = " + "1" * 30_000, "Exceeds the limit"),
    ],
)
def test_toml_made_to_be_slow_is_reported_at_once(block: str, detail: str) -> None:
    began = time.process_time()
    (trouble,) = read_metadata(f"+++\n{block}\n+++\nbody", "a.md").troubles
    assert trouble.detail.startswith(detail) and time.process_time() - began < 1


def test_each_of_many_keys_has_its_line() -> None:
    keys = "".join(f"k.b{number} = 1\n" for number in range(5_000))
    began = time.process_time()
    metadata = read_metadata(f"+++\n{keys}kind = 'lesson'\n+++\nbody", "a.md")
    (kind,) = (each for each in metadata.properties if each.key == "kind")
    assert kind.line == 5_002 and time.process_time() - began < 2
