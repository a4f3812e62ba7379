"""The plan on a GPU, which is only pretended here: what may be used, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from nightschool.config.errors import LearningError
from nightschool.config.settings_file import load
from nightschool.learning import device
from nightschool.learning.memory_plan import Room
from nightschool.stages.run_plan import plan
from tests.conftest import MakeSchool


def planned(make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch, room: int) -> dict[str, Any]:
    school = make_school()
    monkeypatch.setattr(device, "room", lambda *_: Room(room, room, 300_000_000))
    return plan(school, load(school.settings_file))


def test_all_that_is_predicted_fits_into_what_may_be_used(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = planned(make_school, monkeypatch, 1_000_000_000)["memory"]
    assert memory["limited"] and memory["room"] == 1_000_000_000
    assert memory["items"]["context"] == 300_000_000
    assert memory["total"] == sum(memory["items"].values())
    assert memory["total"] <= memory["room"]


def test_what_does_not_fit_is_said_with_what_it_needs(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        LearningError, match=r"training needs .* GB of GPU memory and .* may be used"
    ):
        planned(make_school, monkeypatch, 400_000_000)
