"""What a run does after it ran out of GPU memory, without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nightschool.config.errors import DeviceBusy, LearningError
from nightschool.config.settings import TrainSettings
from nightschool.learning import device
from nightschool.learning.encoding import Encoded
from nightschool.learning.memory_plan import MemoryLimit
from nightschool.learning.training_task import TaskIdentity, TrainingTask
from nightschool.stages.kept_memory_plan import ran_out, run_memory_plan
from nightschool.stages.kept_plan import KeptPlan
from nightschool.stats.results import Choice

NOTES = [Encoded([1] * 300, [2], 0, False), Encoded([1] * 40, [2], 0, False)]
GPU = cast(Any, SimpleNamespace(precision=SimpleNamespace(compute=SimpleNamespace(itemsize=2))))


class Run:
    """As much of a `StageContext` as its memory plan needs."""

    def __init__(self, base: Path) -> None:
        self.messages: list[str] = []
        self.kept = KeptPlan()
        self.parent = SimpleNamespace(say=lambda kind, message: self.messages.append(message))
        self.base_folder = lambda: base
        self.kept_plan = lambda: self.kept

    def report_choices(self, *choices: Any) -> tuple[Choice, ...]:
        return tuple(Choice(name=c.name, value=c.value, reason=c.reason) for c in choices)

    def keep_plan(self, plan: KeptPlan) -> None:
        self.kept = plan


@pytest.fixture
def run(tiny_base: Path) -> Any:
    return Run(tiny_base)


@pytest.fixture
def task() -> TrainingTask:
    return TrainingTask(
        NOTES, ["a", "b"], ["a", "b"], [], [1] * 10, 0, TrainSettings(), TaskIdentity()
    )


Free = Callable[[float], None]


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Free:
    """Sets how many MB of a GPU's 400 are free."""

    def set_free(megabytes: float) -> None:
        room = MemoryLimit(round(megabytes * 1e6), 400_000_000, 100_000_000)
        monkeypatch.setattr(device, "memory_limit", lambda *_: room)

    return set_free


def test_a_plan_that_ran_out_of_memory_shrinks_until_none_is_smaller(
    run: Any, task: TrainingTask, free: Free
) -> None:
    free(400)
    plans = []
    with pytest.raises(LearningError, match="with the smallest passes") as error:
        for _ in range(9):
            plan, _ = run_memory_plan(run, task, GPU)
            plans.append((plan.budget, plan.recomputed, plan.graphs))
            ran_out(run, plan)
    assert plans == [
        (330, 0, 8), (330, 2, 8), (300, 2, 8), (300, 2, 4), (300, 2, 2), (300, 2, 1), (300, 2, 0),
    ]  # fmt: skip
    assert "330 tokens, 0 layers recomputed" in run.messages[0]
    assert "\n" not in str(error.value)


def test_memory_that_another_program_holds_does_not_shrink_the_kept_plan(
    run: Any, task: TrainingTask, free: Free
) -> None:
    free(400)
    first, _ = run_memory_plan(run, task, GPU)
    ran_out(run, first)
    free(50)
    with pytest.raises(DeviceBusy, match="other programs hold the rest"):
        run_memory_plan(run, task, GPU)
    free(first.total / 1e6 - 0.01)
    deeper, chosen = run_memory_plan(run, task, GPU)
    assert (deeper.budget, deeper.graphs) == (first.budget, first.graphs)
    assert deeper.recomputed > 0 and "less GPU memory is free" in chosen[-1].reason
    assert run.kept.plan == first
