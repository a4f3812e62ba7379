"""`notes --each`: what it lists of every note, for people and for programs."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import click
import pytest

from nightschool.cli import notes
from nightschool.cli.main import main
from nightschool.config.paths import School
from nightschool.notes.identity import content_id
from nightschool.notes.labels import Label, write_labels
from tests.cli.conftest import invoke
from tests.conftest import MakeSchool

FILES: dict[str, str | bytes] = {
    "lesson/a.md": "---\ntitle: x\ntitle: y\n---\n\n# First #lesson\n\ntry small\n\n",
    "inbox/b.md": "no kind\x07 here \u202e#home",
    "c.md": "#lesson by its tag",
    "lesson/left.md": "left out",
    "lesson/labelled.md": "labelled",
    "rows.csv": b"text,label\n" + "水は百度で沸く".encode() + b"\xff,value\n,value\n",
    "empty.md": "\n",
    "photo.png": "",
    ".obsidian/app.json": "{}",
}


@pytest.fixture
def school(make_school: MakeSchool) -> School:
    school = make_school(each=0, kinds={"lesson": "", "value": ""})
    for name, content in FILES.items():
        file = school.root / "notes" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    labels = [Label(content_id("left out"), None), Label(content_id("labelled"), "value")]
    write_labels(school.labels_file, labels)
    return school


def test_json_is_an_object_for_each_note_and_then_for_each_skipped_file(school: School) -> None:
    lines = invoke(school, "notes", "--each", "--json").output.splitlines()
    found = {each.pop("source"): each for each in map(json.loads, lines)}
    assert len(found) == len(lines)
    assert list(found.values())[-5:] == [each for each in found.values() if "skipped" in each]
    assert found == {
        "c.md": {"kind": "lesson", "kind_from": "tags", "text": "by its tag", "warnings": []},
        "inbox/b.md": {
            "kind": None, "kind_from": None, "text": "no kind\x07 here \u202e#home", "warnings": []
        },
        "lesson/a.md": {
            "kind": "lesson", "kind_from": "folder", "text": "# First\n\ntry small",
            "warnings": ["lines 2 and 3: `title:` is given twice"],
        },
        "lesson/labelled.md": {
            "kind": "value", "kind_from": "labels.jsonl", "text": "labelled", "warnings": []
        },
        "rows.csv:2": {
            "kind": "value", "kind_from": "label", "text": "水は百度で沸く�",
            "warnings": ["column 8 (byte offset 32): not valid UTF-8: read as �"],
        },
        ".obsidian": {"skipped": "hidden"},
        "empty.md": {"skipped": "empty"},
        "photo.png": {"skipped": "not a note: .png"},
        "rows.csv:3": {"skipped": "empty"},
        "lesson/left.md": {"skipped": "left out by a label"},
    }  # fmt: skip


LINES = [
    "c.md                lesson  tags          by its tag",
    "inbox/b.md          -       -             no kind here �#home",
    "lesson/a.md         lesson  folder        # First try small",
    "lesson/labelled.md  value   labels.jsonl  labelled",
    "rows.csv:2          value   label         水は百度で沸く�",
    ".obsidian  skipped: hidden",
    "photo.png  skipped: not a note: .png",
    "empty.md  skipped: empty",
    "rows.csv:3  skipped: empty",
    "lesson/left.md  skipped: left out by a label",
]


def test_a_note_is_a_printable_line_for_people(school: School) -> None:
    assert invoke(school, "notes", "--each").output.splitlines() == LINES


def test_lines_are_paged_at_a_terminal(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    paged: list[str] = []
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(notes, "sys", SimpleNamespace(stdin=terminal, stdout=terminal))
    monkeypatch.setattr(click, "echo_via_pager", paged.extend)
    assert invoke(school, "notes", "--each").output == ""
    assert paged == [f"{line}\n" for line in LINES]


def test_a_warning_about_a_file_is_with_its_first_note(school: School) -> None:
    (school.root / "notes/c.md").write_text("---\na: 1\na: 2\n---\n## One\nx\n## Two\ny\n", "utf-8")
    settings = school.settings_file.read_text("utf-8")
    assert '# split = "file"' in settings
    school.settings_file.write_text(
        settings.replace('# split = "file"', 'split = "headings"'), "utf-8"
    )
    lines = invoke(school, "notes", "--each", "--json").output.splitlines()
    found = {each["source"]: each.get("warnings") for each in map(json.loads, lines)}
    assert found["c.md#One"] == ["lines 2 and 3: `a:` is given twice"]
    assert found["c.md#Two"] == []


def test_ctrl_c_while_notes_are_read_is_one_line(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    printed = io.StringIO()
    monkeypatch.setattr("nightschool.notes.readers.decode", interrupt)
    monkeypatch.setattr(
        sys, "argv", ["nightschool", "--school", str(school.root), "notes", "--each"]
    )
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, printed)
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, printed.getvalue().strip()) == (1, "stopped")
