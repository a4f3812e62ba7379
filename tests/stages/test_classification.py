"""Classification with a trained model: its probabilities, and abstention."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from nightschool.config.errors import LearningError
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import StageName, Timing
from nightschool.stages.child_jobs import ClassifiedNote, NoteText
from nightschool.stages.classification import classify
from nightschool.stages.run_stage import run_stage
from tests.conftest import KINDS, new_school

TRAIN = {"epochs": 0.25, "lora_r": 4, "max_tokens": 64, "patience": 0}


class Silent:
    """A parent in this process that keeps the answers."""

    born = 0.0

    def __init__(self) -> None:
        self.answers: list[ClassifiedNote] = []

    def classified(self, note: ClassifiedNote) -> None:
        self.answers.append(note)

    def say(self, kind: str, message: str) -> None: ...

    def progress(self, *_: object) -> None: ...

    def should_stop(self) -> bool:
        return False


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> School:
    """A school whose run is trained for a step and not compared."""
    school = new_school(
        tmp_path_factory.mktemp("classify") / "my 学校", base=tiny_base.as_posix(), train=TRAIN
    )
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run(load(school.settings_file).model_dump(), StageName.TRAIN, Timing.NOW)
    for stage in (StageName.PREP, StageName.TRAIN):
        assert run_stage(school, 1, stage, cast(Any, Silent())).outcome is Outcome.FINISHED
    return school


def sort(school: School, abstain: bool, **found: float | None) -> list[ClassifiedNote]:
    """What `classify` sends for two notes, with what a comparison `found` in the model's card."""
    file, parent = school.model_folder(1) / "model.json", Silent()
    was = file.read_text("utf-8")
    notes = [NoteText(source="-", text=text) for text in ("Buy bread.", "次からは先に試す。")]
    card = {key: value for key, value in json.loads(was).items() if key != "sha256"}
    file.write_text(json.dumps(card | found), encoding="utf-8")
    try:
        classify(school, 1, notes, abstain, cast(Any, parent))
    finally:
        file.write_text(was, encoding="utf-8")
    return parent.answers


def test_an_unsure_model_answers_none_if_abstaining_is_on(school: School) -> None:
    plain, sure, careful = (
        sort(school, abstain, temperature=None, threshold=threshold)
        for abstain, threshold in ((False, 1.0), (True, 0.0), (True, 1.0))
    )
    assert plain == sure
    assert [answer.kind for answer in careful] == ["none", "none"]
    assert [answer.likeliest for answer in careful] == [answer.kind for answer in plain]
    assert all(answer.kind == answer.likeliest for answer in plain)


def test_probabilities_have_the_temperature_that_the_comparison_found(school: School) -> None:
    """With a temperature of a half they are squared and made to sum to 1 again."""
    plain, colder = (sort(school, False, temperature=heat) for heat in (None, 0.5))
    for answer, changed in zip(plain, colder, strict=True):
        total = sum(p**2 for p in answer.probabilities.values())
        for kind in KINDS:
            expected = answer.probabilities[kind] ** 2 / total
            assert changed.probabilities[kind] == pytest.approx(expected, rel=1e-4)
        assert changed.kind == answer.kind


def test_abstaining_without_a_threshold_is_an_error(school: School) -> None:
    assert len(sort(school, False)) == 2
    with pytest.raises(LearningError, match="run 1 has no threshold") as error:
        sort(school, True)
    assert "\n" not in str(error.value)
