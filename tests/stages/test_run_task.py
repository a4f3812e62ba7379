from __future__ import annotations

import math
from pathlib import Path

import pytest

from nightschool.config.settings import TrainSettings
from nightschool.learning.base import load_tokenizer
from nightschool.learning.encoding import Encoder
from nightschool.learning.training_task import TaskIdentity
from nightschool.notes.dataset import Dataset, Item
from nightschool.notes.splits import Split
from nightschool.stages.run_task import training_task_of
from tests.conftest import KINDS


@pytest.mark.parametrize("how", ["logit_adjustment", "class_weights", "none"])
def test_a_skewed_dataset_is_balanced_as_the_settings_say(tiny_base: Path, how: str) -> None:
    kinds = ["decision"] * 9 + ["lesson"] * 3
    items = [Item(f"{n}", f"note {n}", kind, Split.TRAIN, "") for n, kind in enumerate(kinds)]
    watched = [Item(f"{n}", f"note {n}", "lesson", Split.VALIDATION, "") for n in (98, 99)]
    encoder = Encoder(load_tokenizer(tiny_base), KINDS[:2], {}, "", 64)
    settings = TrainSettings.model_validate({"balance": how})
    task = training_task_of(
        Dataset((*items, *watched), KINDS[:2], "", ()), encoder, settings, TaskIdentity()
    )
    weights = {note.kind: note.weight for note in [*task.notes, *task.validation]}
    expected = {0: 6 / 9, 1: 6 / 3} if how == "class_weights" else {0: 1.0, 1: 1.0}
    assert weights == pytest.approx(expected)
    offsets = [math.log(9 / 6), math.log(3 / 6)] if how == "logit_adjustment" else []
    assert list(task.offsets.values()) == pytest.approx(offsets)
    assert list(task.offsets) == list(encoder.first_tokens)[: len(offsets)]
    assert [f"{choice.name} = {choice.value}" for choice in task.choices] == [
        "training notes = 12 own", f"balance = {how}",
    ]  # fmt: skip
