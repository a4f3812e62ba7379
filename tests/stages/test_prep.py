"""What prep freezes, without a child process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nightschool.config.errors import DeviceBusy, NotesError
from nightschool.config.settings_file import load
from nightschool.notes.split_assignments import read_split_assignments
from nightschool.stages.context import StageContext, read_and_freeze, write_json
from nightschool.stages.prep import prep
from tests.conftest import MakeSchool


def test_roughened_copies_are_counted_apart_and_are_no_split_assignments(
    make_school: MakeSchool, tiny_base: Path
) -> None:
    train = {"roughen": 1.0}
    school = make_school(base=tiny_base.as_posix(), train=train, notes={"none": "none"})
    for kind in ("decision", "lesson"):
        for file in (school.root / "notes" / kind).iterdir():
            file.write_text("# Title\n\n" + file.read_text("utf-8") * 5, "utf-8")
    said: list[str] = []
    parent = SimpleNamespace(say=lambda kind, message: said.append(message))
    context = StageContext(school, 1, load(school.settings_file), cast(Any, parent))
    write_json(context.folder / "prep.json", prep(context))
    items = context.dataset().items
    made = [item for item in items if item.origin]
    assert {item.origin for item in made} == {"roughened"}
    assert read_split_assignments(school.split_assignments_file).known == {
        i.id: i.split for i in items if not i.origin
    }
    assert f"36 notes in 3 kinds: 27 to train on (and {len(made)} made of these), " in said[-1]
    assert context.result("prep")["train"] == 27 + len(made)


def test_a_test_split_of_few_groups_and_an_empty_validation_are_warned_of(
    make_school: MakeSchool, tiny_base: Path
) -> None:
    """Each kind is two files of ten notes, and a file stands on one side."""
    school = make_school(base=tiny_base.as_posix(), each=0, notes={"split": "headings"})
    for kind in ("decision", "lesson"):
        for file in ("one", "two"):
            path = school.root / "notes" / kind / f"{file}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            sections = (f"## {n}\n\n{kind} {file} {n} {'word ' * n}\n" for n in range(10))
            path.write_text("\n".join(sections), "utf-8")
    said: list[str] = []
    parent = SimpleNamespace(say=lambda kind, message: said.append(message))
    found = prep(StageContext(school, 1, load(school.settings_file), cast(Any, parent)))
    assert (found["test"], found["validation"]) == (20, 0)
    told = "\n".join(found["warnings"])
    assert "20 test notes form 2 groups" in told and "no model can be promoted" in told
    assert "no validation notes" in told
    assert not any("show a gain" in line for line in said)


def test_where_nothing_can_be_read_the_folder_is_named_and_what_was_skipped(
    make_school: MakeSchool,
) -> None:
    school = make_school(each=0)
    notes = school.root / "notes"
    notes.mkdir()
    settings = load(school.settings_file)
    with pytest.raises(NotesError) as caught:
        read_and_freeze(school, settings)
    assert str(caught.value) == (
        f"there are no notes in {notes}: put some there, or set notes.folder in nightschool.toml"
    )
    (notes / "a.jsonl").write_text('{"text": 1, "label": "a"}\n' * 2, "utf-8")
    (notes / "b.pdf").write_bytes(b"%PDF")
    with pytest.raises(NotesError) as caught:
        read_and_freeze(school, settings)
    assert (
        f"no notes in {notes} (2 skipped: no text in column `text`, 1 skipped: not a note: .pdf): "
        in str(caught.value)
    )


def test_a_run_waits_for_the_gpu_on_which_it_began(make_school: MakeSchool) -> None:
    school = make_school()
    context = StageContext(school, 1, load(school.settings_file), cast(Any, None))
    assert context.device().torch.type == "cpu" and context.kept_plan() == {"device": "cpu"}
    context.keep_plan(device="cuda")
    with pytest.raises(DeviceBusy, match=r"does not see the GPU on which this run began"):
        context.device()
