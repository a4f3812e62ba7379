from __future__ import annotations

from typing import Any, cast

import pytest

from nightschool.config.errors import DamagedFile, DeviceBusy
from nightschool.config.settings_file import load
from nightschool.stages.context import StageContext
from nightschool.stages.kept_plan import KeptPlan
from nightschool.stats.stage_results import TrainResult
from tests.conftest import MakeSchool


def test_a_run_waits_for_the_gpu_that_it_began_on(make_school: MakeSchool) -> None:
    school = make_school()
    context = StageContext(school, 1, load(school.settings_file), cast(Any, None))
    assert context.device().torch.type == "cpu" and context.kept_plan() == KeptPlan(device="cpu")
    context.keep_plan(KeptPlan(device="cuda"))
    with pytest.raises(DeviceBusy, match=r"does not see the GPU on which this run began"):
        context.device()


def test_a_damaged_result_of_an_earlier_stage_is_named(make_school: MakeSchool) -> None:
    school = make_school()
    context = StageContext(school, 1, load(school.settings_file), cast(Any, None))
    context.folder.mkdir(parents=True)
    file = context.folder / "train.json"
    file.write_text('{"steps": 3', encoding="utf-8")
    with pytest.raises(DamagedFile) as raised:
        context.result(TrainResult)
    assert str(file) in str(raised.value) and "\n" not in str(raised.value)
