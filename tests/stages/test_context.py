from __future__ import annotations

from typing import Any, cast

import pytest

from nightschool.config.errors import DamagedFile, DeviceBusy
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from nightschool.stages.context import StageContext
from nightschool.stages.kept_plan import KeptPlan
from nightschool.stats.stage_results import TrainResult
from tests.conftest import MakeSchool


@pytest.fixture
def context(make_school: MakeSchool) -> StageContext:
    """That of a run which has just been queued."""
    school = make_school()
    settings = load(school.settings_file)
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run(settings.model_dump(), StageName.COMPARE, Timing.NOW).id
    return StageContext(school, run, settings, cast(Any, None))


def test_a_run_waits_for_the_gpu_that_it_began_on(context: StageContext) -> None:
    assert context.device().torch.type == "cpu" and context.kept_plan() == KeptPlan(device="cpu")
    context.keep_plan(KeptPlan(device="cuda"))
    with pytest.raises(DeviceBusy, match=r"does not see the GPU on which this run began"):
        context.device()


def test_a_damaged_result_of_an_earlier_stage_is_named(context: StageContext) -> None:
    file = context.folder / "train.json"
    file.write_text('{"steps": 3', encoding="utf-8")
    with pytest.raises(DamagedFile) as raised:
        context.result(TrainResult)
    assert str(file) in str(raised.value) and "\n" not in str(raised.value)
