"""`notes`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import invoke, nightschool
from tests.conftest import MakeSchool


def test_json_counts_the_notes(make_school: MakeSchool) -> None:
    school = make_school()
    (school.root / "notes/lesson/bad.md").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4)
    counts = json.loads(invoke(school, "notes", "--json").output)
    assert {kind: count["n"] for kind, count in counts["kinds"].items()} == {
        "decision": 12, "lesson": 12, "none": 12,
    }  # fmt: skip
    assert counts["skipped"] == [
        {
            "reason": "binary",
            "detail": "",
            "message": "binary file",
            "n": 1,
            "sources": ["lesson/bad.md"],
        }
    ]
    assert counts["lengths"]["unit"] == "tokens"
    assert counts["suspects"]["judged"] == 36


def test_the_inventory_is_a_table_or_a_page(make_school: MakeSchool) -> None:
    school = make_school()
    (school.root / "notes/value").mkdir()
    (school.root / "notes/value/[bold]x.md").write_text("[red]buy milk", encoding="utf-8")
    (school.root / "notes/value/y.md").write_text("[red]BUY  milk", encoding="utf-8")
    shown = nightschool("notes", school=school)
    assert shown.returncode == 0 and shown.stderr == ""
    for line in (
        "38 notes, 0 unlabelled; lengths in tokens",
        "hardly be measured: decision (12), lesson (12), none (12), value (2).",
        "duplicates: value/[bold]x.md, value/y.md",
        "wrong labels: too few notes of different texts and sources to judge: value",
    ):
        assert line in shown.stdout
    page = nightschool("notes", "--html", school=school)
    assert Path(page.stdout.strip()) == school.state / "inventory.html"
    assert "38 notes" in (school.state / "inventory.html").read_text("utf-8")
    both = json.loads(nightschool("notes", "--html", "--json", school=school).stdout)
    assert both["page"] == str(school.state / "inventory.html")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "text,label\none,a\ntwo, too,a\n",
            "a.csv, line 3: 3 fields, but the header has 2",
        ),
        (
            "Lesson/a.md",
            "x",
            'the kinds "Lesson" (Lesson/a.md) and "lesson" (lesson/lesson-0.md) differ only in case or width',
        ),
    ],
)
def test_unreadable_notes_are_explained_in_one_line(
    make_school: MakeSchool, name: str, content: str, message: str
) -> None:
    school = make_school()
    file = school.root / "notes" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content, encoding="utf-8")
    done = nightschool("notes", school=school)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
