from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.config.errors import DamagedFile
from nightschool.learning.memory_plan import MemoryPlan
from nightschool.learning.time_model import Pace, QuickPlan
from nightschool.stages.kept_plan import KeptPlan, KeptTimePlan, read_kept_plan, write_kept_plan
from nightschool.stats.results import Choice

PLAN = KeptPlan(
    device="cuda",
    plan=MemoryPlan(330, 2, {"weights": 1000}, 8),
    chosen=(Choice(name="passes", value="330 tokens", reason="メモリ"),),
    ran_out=MemoryPlan(400, 0, {}, 8),
    time=KeptTimePlan(Pace(0.1, 0.01, 0.08), 4.5, QuickPlan(1.0, 128, 12, True)),
)


def test_a_plan_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write_kept_plan(tmp_path / "plan.json", PLAN)
    assert read_kept_plan(tmp_path / "plan.json") == PLAN


def test_without_a_file_the_plan_is_empty(tmp_path: Path) -> None:
    assert read_kept_plan(tmp_path / "plan.json") == KeptPlan()


def test_the_plan_of_version_0_1_0_is_read(tmp_path: Path) -> None:
    """It has no version, and its memory plan may have fields that this version lacks."""
    file = tmp_path / "plan.json"
    file.write_text(
        '{"device": "cuda", "plan": {"budget": 330, "recomputed": 2, "bytes": {"weights": 1000}, '
        '"graphs": 8, "gone": 1}, "chosen": [{"name": "passes", "value": "330 tokens", '
        '"reason": "メモリ"}], "ran_out": {"budget": 400, "recomputed": 0, "bytes": {}, "graphs": 8}, '
        '"time": {"pace": {"pass_s": 0.1, "token_s": 0.01, "share": 0.08}, "restart_s": 4.5, '
        '"lap": {"epochs": 1.0, "max_tokens": 128, "steps": 12, "fits": true}, "chosen": []}}',
        encoding="utf-8",
    )
    assert read_kept_plan(file) == PLAN
    file.write_text('{"device": "cpu", "ran_out": null}', encoding="utf-8")
    assert read_kept_plan(file) == KeptPlan(device="cpu")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"plan": {"budget": "x"}}'])
def test_a_damaged_plan_is_named_in_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(DamagedFile) as raised:
        read_kept_plan(file)
    assert str(file) in str(raised.value) and "\n" not in str(raised.value)
