from __future__ import annotations

from nightschool.ledger.records import Stage, StageName, StageState
from nightschool.stats.result_summary import summary_of


def test_a_summary_needs_no_complete_result() -> None:
    def stage(result: dict[str, object] | None) -> Stage:
        return Stage(1, StageName.COMPARE, StageState.DONE, 0, 0, None, None, 0.0, result)

    assert summary_of(stage({"accuracy": 0.4})).accuracy == 0.4
    assert summary_of(stage({"decision": "promote"})).decision == "promote"
    assert summary_of(stage({"decision": 3})).decision is None
    assert summary_of(stage(None)).accuracy is None
