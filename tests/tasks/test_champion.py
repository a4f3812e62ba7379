"""The model in use is asked the test notes that came since it was measured: with a real tiny model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from nightschool.config.paths import School
from nightschool.config.settings import load
from nightschool.ledger.ledger import Ledger
from nightschool.notes.dataset import Item
from nightschool.tasks.champion import ask_again, incumbent
from nightschool.tasks.classify import classify
from nightschool.tasks.looks import ADAPTER, looks_at_test
from nightschool.tasks.stages import run_stage
from nightschool.tasks.work import Work
from tests.conftest import KINDS, THINGS, new_school
from tests.tasks.test_classify import TRAIN, Silent


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> School:
    """Run 1 is in use; then notes came, and run 2 has frozen more test notes."""
    root = tmp_path_factory.mktemp("champion") / "my 学校"
    school = new_school(root, base=tiny_base.as_posix(), train=TRAIN, ladder={"arms": []})
    settings = load(school.settings_file).model_dump()
    with Ledger(school.ledger_file) as ledger:
        for _ in range(2):
            ledger.add_run(settings, "compare", "now")
        ledger.promote(1)
    silent = cast(Any, Silent())
    for stage in ("prep", "train", "evaluate"):
        assert run_stage(school, 1, stage, silent)["outcome"] == "finished"
    for kind in KINDS:
        for number, thing in enumerate(THINGS):
            text = f"{kind.upper()} of {thing}: {number * 7919} {kind[::-1]} {thing[::-1]}"
            (root / f"notes/{kind}/later-{number}.md").write_text(text, encoding="utf-8")
    assert run_stage(school, 2, "prep", silent)["outcome"] == "finished"
    return school


@pytest.fixture
def work(grown: School, tmp_path: Path) -> Work:
    school = School(tmp_path / "copy")
    shutil.copytree(grown.root, school.root)
    return Work(school, 2, load(school.settings_file), cast(Any, Silent()))


def measured_with(work: Work) -> list[Item]:
    return [item for item in work.dataset().items if item.side == "test"]


def test_it_answers_what_came_since_as_classify_would(work: Work) -> None:
    test = measured_with(work)
    known = Work(work.school, 1, work.settings, work.parent).result("evaluate")["answers"]
    new = [item for item in test if item.id not in known]
    assert len(known) == 6 and new
    assert (
        ask_again(work, test) == f"run 1, the model in use, has answered {len(new)} new test notes"
    )
    found = incumbent(work, [item.id for item in test])
    assert found and (found.run, found.why_not) == (1, "")
    assert {id_: found.answers[id_] for id_ in known} == known
    parent = Silent()
    texts = [{"source": item.id, "text": item.text} for item in new]
    classify(work.school, 1, texts, False, cast(Any, parent))
    assert {s["source"]: s["kind"] for s in parent.sent} == {i.id: found.answers[i.id] for i in new}
    assert ask_again(work, test) == "", "it is asked once"


def test_its_new_answers_are_a_look_and_it_is_one_model(work: Work) -> None:
    def looks() -> tuple[int, int]:
        found = looks_at_test(work, work.dataset(), 0.5, 20)
        return found["looks"], found["models"]

    test = measured_with(work)
    known = Work(work.school, 1, work.settings, work.parent).result("evaluate")["answers"]
    assert 2 * len(known) < len(test)
    assert looks() == (0, 0), "run 1 has looked at too few of these"
    assert ask_again(work, test)
    assert looks() == (1, 1)
    with Ledger(work.school.ledger_file) as ledger:
        dataset = work.result("prep")["dataset"]
        ledger.look(1, f"{ADAPTER} of seed 7", dataset, ledger.looks()[-1].test)
        assert looks() == (2, 1), "a model that looked before is no second one"
        ledger.look(2, ADAPTER, dataset, ledger.looks()[-1].test)
    assert looks() == (3, 2)


def test_the_evaluate_stage_asks_it_first_in_a_process_of_its_own(work: Work) -> None:
    ending = run_stage(work.school, 2, "evaluate", work.parent)
    assert ending["outcome"] == "chunk_done" and "has answered" in ending["reason"]
    assert not (work.folder / "evaluate.json").exists()


def test_without_new_test_notes_or_a_model_in_use_nothing_is_asked(work: Work) -> None:
    first = Work(work.school, 1, work.settings, work.parent)
    assert ask_again(work, measured_with(first)) == ""
    assert ask_again(first, measured_with(work)) == ""
    with Ledger(work.school.ledger_file) as ledger:
        ledger.rollback()
    assert ask_again(work, measured_with(work)) == ""
    assert incumbent(work, []) is None


def test_a_note_that_it_learnt_from_is_no_question(work: Work) -> None:
    """All notes were dealt anew: what it was trained on is a test note now."""
    first = Work(work.school, 1, work.settings, work.parent)
    learnt = next(item for item in first.dataset().items if item.side == "train")
    test = [*measured_with(work), replace(learnt, side="test")]
    assert ask_again(work, test)
    found = incumbent(work, [item.id for item in test])
    assert found and learnt.id not in found.answers and len(found.answers) == len(test) - 1
    assert found.why_not.endswith("the others are among those that it learnt from")


@pytest.mark.parametrize("gone", ["models/run-1", "runs/1/prep.json"])
def test_where_it_cannot_be_asked_its_earlier_answers_are_left_and_the_reason(
    work: Work, gone: str
) -> None:
    path = work.school.state / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    test = measured_with(work)
    assert "cannot answer the new test notes" in ask_again(work, test)
    found = incumbent(work, [item.id for item in test])
    assert found and len(found.answers) == 6
    assert ("is gone from" if path.suffix == "" else "is not known any more") in found.why_not
