"""The champion answers the test notes that are newer than its own run: with a real tiny model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from nightschool.config.errors import DamagedFile
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import Answerer, StageName, Timing
from nightschool.notes.dataset import Item
from nightschool.notes.splits import Split
from nightschool.stages.champion import answer_new_test_notes, incumbent
from nightschool.stages.child_jobs import NoteText
from nightschool.stages.classification import classify
from nightschool.stages.context import StageContext
from nightschool.stages.exposure import exposures_of_test
from nightschool.stages.run_stage import run_stage
from nightschool.stats.stage_results import EvaluateResult, PrepResult
from tests.conftest import KINDS, THINGS, new_school
from tests.stages.test_classification import TRAIN, Silent


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> School:
    """Run 1 is promoted; then notes are added, and run 2 freezes more test notes."""
    root = tmp_path_factory.mktemp("champion") / "my 学校"
    school = new_school(root, base=tiny_base.as_posix(), train=TRAIN, ladder={"arms": []})
    settings = load(school.settings_file).model_dump()
    with Ledger(school.ledger_file) as ledger:
        for _ in range(2):
            ledger.add_run(settings, StageName.COMPARE, Timing.NOW)
        ledger.promote(1)
    silent = cast(Any, Silent())
    for stage in (StageName.PREP, StageName.TRAIN, StageName.EVALUATE):
        assert run_stage(school, 1, stage, silent).outcome is Outcome.FINISHED
    for kind in KINDS:
        for number, thing in enumerate(THINGS):
            text = f"{kind.upper()} of {thing}: {number * 7919} {kind[::-1]} {thing[::-1]}"
            (root / f"notes/{kind}/later-{number}.md").write_text(text, encoding="utf-8")
    assert run_stage(school, 2, StageName.PREP, silent).outcome is Outcome.FINISHED
    return school


@pytest.fixture
def context(grown: School, tmp_path: Path) -> StageContext:
    school = School(tmp_path / "copy")
    shutil.copytree(grown.root, school.root)
    return StageContext(school, 2, load(school.settings_file), cast(Any, Silent()))


def frozen_test_notes(context: StageContext) -> list[Item]:
    return [item for item in context.dataset().items if item.split == Split.TEST]


def test_the_champion_answers_new_test_notes_as_classify_would(context: StageContext) -> None:
    test = frozen_test_notes(context)
    known = replace(context, run=1).result(EvaluateResult).answers
    new = [item for item in test if item.id not in known]
    assert len(known) == 6 and new
    assert (
        answer_new_test_notes(context, test)
        == f"the champion, run 1, answered {len(new)} new test notes"
    )
    found = incumbent(context, [item.id for item in test])
    assert found and (found.run, found.why_not) == (1, "")
    assert {id_: found.answers[id_] for id_ in known} == known
    parent = Silent()
    texts = [NoteText(source=item.id, text=item.text) for item in new]
    classify(context.school, 1, texts, False, cast(Any, parent))
    assert {note.source: note.kind for note in parent.answers} == {
        i.id: found.answers[i.id] for i in new
    }
    assert answer_new_test_notes(context, test) == "", "it answers once"


def test_the_champions_new_answers_are_an_exposure_of_one_model(context: StageContext) -> None:
    def exposures() -> tuple[int, int]:
        found = exposures_of_test(context, context.dataset(), 0.5, 20)
        return found.looks, found.models

    test = frozen_test_notes(context)
    known = replace(context, run=1).result(EvaluateResult).answers
    assert 2 * len(known) < len(test)
    assert exposures() == (0, 0), "run 1 has answered too few of these"
    assert answer_new_test_notes(context, test)
    assert exposures() == (1, 1)
    with Ledger(context.school.ledger_file) as ledger:
        dataset = context.result(PrepResult).dataset
        test_notes = ledger.exposures()[-1].test
        ledger.record_exposure(1, Answerer.ADAPTER, dataset, test_notes, seed=7)
        assert exposures() == (2, 1), "an adapter that answered as the champion is one model"
        ledger.record_exposure(2, Answerer.ADAPTER, dataset, test_notes)
    assert exposures() == (3, 2)


def test_evaluate_asks_the_champion_first_in_a_process_of_its_own(context: StageContext) -> None:
    ending = run_stage(context.school, 2, StageName.EVALUATE, context.parent)
    assert ending.outcome is Outcome.CHUNK_DONE and "the champion, run 1, answered" in ending.reason
    assert not (context.folder / "evaluate.json").exists()


def test_without_new_test_notes_or_a_champion_nothing_is_asked(context: StageContext) -> None:
    first = StageContext(context.school, 1, context.settings, context.parent)
    assert answer_new_test_notes(context, frozen_test_notes(first)) == ""
    assert answer_new_test_notes(first, frozen_test_notes(context)) == ""
    with Ledger(context.school.ledger_file) as ledger:
        ledger.rollback()
    assert answer_new_test_notes(context, frozen_test_notes(context)) == ""
    assert incumbent(context, []) is None


def test_the_champion_does_not_answer_its_own_training_notes(context: StageContext) -> None:
    """All notes were assigned again: what it was trained on is a test note now."""
    first = StageContext(context.school, 1, context.settings, context.parent)
    learnt = next(item for item in first.dataset().items if item.split == Split.TRAIN)
    test = [*frozen_test_notes(context), replace(learnt, split=Split.TEST)]
    assert answer_new_test_notes(context, test)
    found = incumbent(context, [item.id for item in test])
    assert found and learnt.id not in found.answers and len(found.answers) == len(test) - 1
    assert found.why_not.endswith("the others are among its training or validation notes")


def test_a_champion_that_cannot_answer_keeps_its_earlier_answers_and_the_reason(
    context: StageContext,
) -> None:
    shutil.rmtree(context.school.model_folder(1))
    test = frozen_test_notes(context)
    assert "cannot answer the new test notes" in answer_new_test_notes(context, test)
    found = incumbent(context, [item.id for item in test])
    assert found and len(found.answers) == 6
    assert "is missing from" in found.why_not


@pytest.mark.parametrize(
    "name",
    ["runs/1/evaluate.json", "runs/1/prep.json", "models/run-1/adapter/adapter_model.safetensors"],
)
def test_a_damaged_file_of_the_champion_is_an_error_that_names_it(
    context: StageContext, name: str
) -> None:
    """Otherwise the comparison would go on without the champion."""
    file = context.school.state / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(DamagedFile, match="`nightschool repair` makes it again") as raised:
        answer_new_test_notes(context, frozen_test_notes(context))
        incumbent(context, [item.id for item in frozen_test_notes(context)])
    assert str(file) in str(raised.value)
