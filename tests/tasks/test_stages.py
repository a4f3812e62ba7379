"""What prep freezes, without a child process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from nightschool.config.settings import load
from nightschool.notes.sides import read_sides
from nightschool.tasks.stages import prep
from nightschool.tasks.work import Work, write_json
from tests.conftest import MakeSchool


def test_made_notes_are_counted_apart_and_get_no_side_for_good(
    make_school: MakeSchool, tiny_base: Path
) -> None:
    train = {"roughen": 1.0, "near_misses": 1.0}
    school = make_school(base=tiny_base.as_posix(), train=train, notes={"none": "none"})
    for kind in ("decision", "lesson"):
        for file in (school.root / "notes" / kind).iterdir():
            file.write_text("# Title\n\n" + file.read_text("utf-8") * 5, "utf-8")
    said: list[str] = []
    parent = SimpleNamespace(say=lambda kind, message: said.append(message))
    work = Work(school, 1, load(school.settings_file), cast(Any, parent))
    write_json(work.folder / "prep.json", prep(work))
    items = work.dataset().items
    made = [item for item in items if item.origin]
    assert {item.origin for item in made} == {"roughened", "cut", "mixture"}
    assert read_sides(school.sides_file).known == {i.id: i.side for i in items if not i.origin}
    assert f"36 notes in 3 kinds: 27 to train on (and {len(made)} made of these), " in said[-1]
    assert work.result("prep")["train"] == 27 + len(made)
