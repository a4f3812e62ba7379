"""What a run does after it ran out of a GPU's memory, without a GPU."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nightschool.config.settings import TrainSettings
from nightschool.learning.encoding import Encoded
from nightschool.learning.errors import LearningError
from nightschool.learning.plan import Plan
from nightschool.learning.task import Task
from nightschool.tasks.training import _with_less

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
