"""The prep stage, without a child process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from nightschool.notes.split_assignments import read_split_assignments
from nightschool.stages.context import StageContext
from nightschool.stages.prep import prep
from nightschool.stats.stage_results import write_record
from tests.conftest import MakeSchool


def test_roughened_copies_are_counted_separately_and_get_no_split_assignment(
    make_school: MakeSchool, tiny_base: Path
) -> None:
    train = {"roughen": 1.0}
    school = make_school(base=tiny_base.as_posix(), train=train, notes={"none": "none"})
    for kind in ("decision", "lesson"):
        for file in (school.root / "notes" / kind).iterdir():
            file.write_text("# Title\n\n" + file.read_text("utf-8") * 5, "utf-8")
    messages: list[str] = []
    parent = SimpleNamespace(say=lambda kind, message: messages.append(message))
    context = StageContext(school, 1, load(school.settings_file), cast(Any, parent))
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run(context.settings.model_dump(), StageName.PREP, Timing.NOW)
    result = prep(context)
    write_record(context.folder / "prep.json", result)
    items = context.dataset().items
    copies = [item for item in items if item.origin]
    assert {item.origin for item in copies} == {"roughened"}
    assert read_split_assignments(school.split_assignments_file).known == {
        i.id: i.split for i in items if not i.origin
    }
    assert messages[-1].startswith(
        f"36 notes in 3 kinds: 27 for training (and {len(copies)} roughened copies of these), "
    )
    assert (result.train, result.made) == (27 + len(copies), len(copies))


def test_warns_of_a_test_split_of_few_groups_and_of_an_empty_validation_split(
    make_school: MakeSchool, tiny_base: Path
) -> None:
    """Each kind is two files of ten notes, and a file is in one split."""
    school = make_school(base=tiny_base.as_posix(), each=0, notes={"split": "headings"})
    for kind in ("decision", "lesson"):
        for file in ("one", "two"):
            path = school.root / "notes" / kind / f"{file}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            sections = (f"## {n}\n\n{kind} {file} {n} {'word ' * n}\n" for n in range(10))
            path.write_text("\n".join(sections), "utf-8")
    messages: list[str] = []
    parent = SimpleNamespace(say=lambda kind, message: messages.append(message))
    result = prep(StageContext(school, 1, load(school.settings_file), cast(Any, parent)))
    assert (result.test, result.validation) == (20, 0)
    warnings = "\n".join(result.warnings)
    assert "20 test notes form 2 groups" in warnings and "no model can be promoted" in warnings
    assert "no validation notes" in warnings
    assert not any("show a gain" in message for message in messages)
