"""The training that a dataset makes, and what a run does when a GPU's memory ran out, without a GPU."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nightschool.config.settings import TrainSettings
from nightschool.learning.base import load_tokenizer
from nightschool.learning.encoding import Encoded, Encoder
from nightschool.learning.errors import LearningError
from nightschool.learning.plan import Plan
from nightschool.learning.task import Task
from nightschool.notes.dataset import Dataset, Item
from nightschool.tasks.training import _with_less, task_of
from tests.conftest import KINDS

NOTES = [Encoded([1] * 300, [2], 0, False), Encoded([1] * 40, [2], 0, False)]


class Run:
    """As much of a `Work` as a smaller plan needs."""

    def __init__(self, base: Path) -> None:
        self.said: list[str] = []
        self.plan: dict[str, Any] = {}
        self.parent = SimpleNamespace(say=lambda kind, message: self.said.append(message))
        self.base_folder = lambda: base

    def chose(self, *choices: Any) -> list[dict[str, str]]:
        return [choice.as_dict() for choice in choices]

    def keep_plan(self, **decided: Any) -> None:
        self.plan = decided["plan"]


def test_less_memory_is_asked_for_step_by_step_and_at_last_the_owner(tiny_base: Path) -> None:
    task = Task(NOTES, ["a", "b"], ["a", "b"], [], [1] * 10, 0, TrainSettings(), {})
    run, plan = Run(tiny_base), Plan(1300, 0, {}, 4)
    tried = []
    with pytest.raises(LearningError, match="close other programs") as error:
        for _ in range(9):
            _with_less(cast(Any, run), task, plan)
            plan = Plan(**run.plan)
            tried.append((plan.budget, plan.recomputed, plan.graphs))
    assert tried == [
        (1300, 2, 4), (650, 2, 4), (325, 2, 4), (300, 2, 4), (300, 2, 2), (300, 2, 1), (300, 2, 0),
    ]  # fmt: skip
    assert "1300 tokens a pass and 0 of 2 layers" in run.said[0]
    assert "\n" not in str(error.value)


def test_a_setting_against_recomputing_is_kept(tiny_base: Path) -> None:
    settings = TrainSettings(activation_checkpointing="none")
    task = Task(NOTES, ["a", "b"], ["a", "b"], [], [1] * 10, 0, settings, {})
    run = Run(tiny_base)
    _with_less(cast(Any, run), task, Plan(1300, 0, {}))
    assert (run.plan["budget"], run.plan["recomputed"]) == (650, 0)


@pytest.mark.parametrize("how", ["logit_adjustment", "class_weights", "none"])
def test_the_training_of_a_skewed_dataset_helps_its_rare_kind(tiny_base: Path, how: str) -> None:
    kinds = ["decision"] * 9 + ["lesson"] * 3
    items = [Item(f"{n}", f"note {n}", kind, "train", "") for n, kind in enumerate(kinds)]
    watched = [Item(f"{n}", f"note {n}", "lesson", "validation", "") for n in (98, 99)]
    encoder = Encoder(load_tokenizer(tiny_base), KINDS[:2], {}, "", 64)
    settings = TrainSettings.model_validate({"balance": how})
    task = task_of(Dataset((*items, *watched), KINDS[:2], "", ()), encoder, settings, {})
    weights = {note.kind: note.weight for note in [*task.notes, *task.validation]}
    expected = {0: 6 / 9, 1: 6 / 3} if how == "class_weights" else {0: 1.0, 1: 1.0}
    assert weights == pytest.approx(expected)
    offsets = [math.log(9 / 6), math.log(3 / 6)] if how == "logit_adjustment" else []
    assert list(task.offsets.values()) == pytest.approx(offsets)
    assert list(task.offsets) == list(encoder.first_tokens)[: len(offsets)]
    assert [f"{choice.name} = {choice.value}" for choice in task.choices] == [
        "training notes = 12 own", f"balance = {how}",
    ]  # fmt: skip
