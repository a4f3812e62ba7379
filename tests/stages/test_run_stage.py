from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from nightschool.config.errors import DamagedFile
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import StageName, Timing
from nightschool.stages.run_stage import RESULTS, run_stage, stage_function
from nightschool.stats.stage_results import CompareResult
from nightschool.stats.terms import Decision
from tests.conftest import MakeSchool


@pytest.mark.parametrize("stage", StageName)
def test_every_stage_has_a_function_and_a_result(stage: StageName) -> None:
    assert stage_function(stage).__name__ == stage
    assert RESULTS[stage].stage is stage


def test_a_stage_that_is_done_is_not_repeated(make_school: MakeSchool) -> None:
    school = make_school()
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run(
            load(school.settings_file).model_dump(), StageName.COMPARE, Timing.NOW
        ).id
    file = school.run_folder(run) / "compare.json"
    file.write_text('{"decision": "keep", "reason": "keep: no better", "page": "p"}', "utf-8")
    said: list[str] = []
    parent = cast(Any, SimpleNamespace(say=lambda kind, message: said.append(message)))
    ending = run_stage(school, run, StageName.COMPARE, parent)
    assert ending.outcome is Outcome.FINISHED
    assert ending.result == CompareResult(
        decision=Decision.KEEP, reason="keep: no better", page="p"
    )
    assert [artifact.path for artifact in ending.artifacts] == [f"runs/{run}/compare.json"]
    file.write_text("{", "utf-8")
    with pytest.raises(DamagedFile):  # the stage is done again, which fails for want of a model
        run_stage(school, run, StageName.COMPARE, parent)
    assert "compare.json cannot be used" in said[0] and said[0].endswith("it is made again")
    assert not file.exists()
