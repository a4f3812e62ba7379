"""The training that a dataset makes, and what a run does when a GPU's memory ran out, without a GPU."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nightschool.config.errors import DeviceBusy, LearningError
from nightschool.config.settings import TrainSettings
from nightschool.learning import device
from nightschool.learning.base import load_tokenizer
from nightschool.learning.encoding import Encoded, Encoder
from nightschool.learning.memory_plan import Room
from nightschool.learning.training_task import TrainingTask
from nightschool.notes.dataset import Dataset, Item
from nightschool.notes.splits import Split
from nightschool.stages.train import _plan, _ran_out, training_task_of
from tests.conftest import KINDS

NOTES = [Encoded([1] * 300, [2], 0, False), Encoded([1] * 40, [2], 0, False)]
GPU = cast(Any, SimpleNamespace(precision=SimpleNamespace(compute=SimpleNamespace(itemsize=2))))


class Run:
    """As much of a `Work` as its plan needs."""

    def __init__(self, base: Path) -> None:
        self.said: list[str] = []
        self.kept: dict[str, Any] = {}
        self.parent = SimpleNamespace(say=lambda kind, message: self.said.append(message))
        self.base_folder = lambda: base
        self.kept_plan = lambda: json.loads(json.dumps(self.kept))

    def chose(self, *choices: Any) -> list[dict[str, str]]:
        return [choice.as_dict() for choice in choices]

    def keep_plan(self, **decided: Any) -> None:
        self.kept |= decided


@pytest.fixture
def run(tiny_base: Path) -> Any:
    return Run(tiny_base)


@pytest.fixture
def task() -> TrainingTask:
    return TrainingTask(NOTES, ["a", "b"], ["a", "b"], [], [1] * 10, 0, TrainSettings(), {})


Free = Callable[[float], None]


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Free:
    """Sets how many MB of a GPU's 400 are free."""

    def set_free(megabytes: float) -> None:
        room = Room(round(megabytes * 1e6), 400_000_000, 100_000_000)
        monkeypatch.setattr(device, "room", lambda *_: room)

    return set_free


def test_what_ran_out_of_memory_is_tried_smaller_and_at_last_the_owner_is_asked(
    run: Any, task: TrainingTask, free: Free
) -> None:
    free(400)
    tried = []
    with pytest.raises(LearningError, match="with the smallest passes") as error:
        for _ in range(9):
            plan, _ = _plan(run, task, GPU)
            tried.append((plan.budget, plan.recomputed, plan.graphs))
            _ran_out(run, plan)
    assert tried == [
        (330, 0, 8), (330, 2, 8), (300, 2, 8), (300, 2, 4), (300, 2, 2), (300, 2, 1), (300, 2, 0),
    ]  # fmt: skip
    assert "330 tokens, 0 layers recomputed" in run.said[0]
    assert "\n" not in str(error.value)


def test_memory_that_another_program_took_shrinks_no_plan(
    run: Any, task: TrainingTask, free: Free
) -> None:
    free(400)
    first, _ = _plan(run, task, GPU)
    _ran_out(run, first)
    free(50)
    with pytest.raises(DeviceBusy, match="other programs hold the rest"):
        _plan(run, task, GPU)
    free(first.total / 1e6 - 0.01)
    deeper, chosen = _plan(run, task, GPU)
    assert (deeper.budget, deeper.graphs) == (first.budget, first.graphs)
    assert deeper.recomputed > 0 and "less GPU memory is free" in chosen[-1]["reason"]
    assert run.kept["plan"] == first.as_dict()


@pytest.mark.parametrize("how", ["logit_adjustment", "class_weights", "none"])
def test_the_training_of_a_skewed_dataset_helps_its_rare_kind(tiny_base: Path, how: str) -> None:
    kinds = ["decision"] * 9 + ["lesson"] * 3
    items = [Item(f"{n}", f"note {n}", kind, Split.TRAIN, "") for n, kind in enumerate(kinds)]
    watched = [Item(f"{n}", f"note {n}", "lesson", Split.VALIDATION, "") for n in (98, 99)]
    encoder = Encoder(load_tokenizer(tiny_base), KINDS[:2], {}, "", 64)
    settings = TrainSettings.model_validate({"balance": how})
    task = training_task_of(Dataset((*items, *watched), KINDS[:2], "", ()), encoder, settings, {})
    weights = {note.kind: note.weight for note in [*task.notes, *task.validation]}
    expected = {0: 6 / 9, 1: 6 / 3} if how == "class_weights" else {0: 1.0, 1: 1.0}
    assert weights == pytest.approx(expected)
    offsets = [math.log(9 / 6), math.log(3 / 6)] if how == "logit_adjustment" else []
    assert list(task.offsets.values()) == pytest.approx(offsets)
    assert list(task.offsets) == list(encoder.first_tokens)[: len(offsets)]
    assert [f"{choice.name} = {choice.value}" for choice in task.choices] == [
        "training notes = 12 own", f"balance = {how}",
    ]  # fmt: skip
