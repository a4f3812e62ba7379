"""The estimate for a GPU, which is simulated here."""

from __future__ import annotations

import pytest

from nightschool.config.errors import LearningError
from nightschool.config.settings_file import load
from nightschool.learning import device
from nightschool.learning.memory_plan import MemoryLimit
from nightschool.stages.run_estimate import RunEstimate
from nightschool.stages.run_plan import plan
from tests.conftest import MakeSchool


def estimate(make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch, room: int) -> RunEstimate:
    school = make_school()
    monkeypatch.setattr(device, "memory_limit", lambda *_: MemoryLimit(room, room, 300_000_000))
    return plan(school, load(school.settings_file))


def test_the_predicted_memory_fits_into_the_available_memory(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = estimate(make_school, monkeypatch, 1_000_000_000).memory
    assert memory.limited and memory.room == 1_000_000_000
    assert memory.items["context"] == 300_000_000
    assert memory.total == sum(memory.items.values())
    assert memory.total <= memory.room


def test_a_training_that_does_not_fit_is_refused_with_its_need(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        LearningError, match=r"training needs .* GB of GPU memory, but .* may be used"
    ):
        estimate(make_school, monkeypatch, 400_000_000)
