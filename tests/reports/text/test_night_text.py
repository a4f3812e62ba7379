"""A night in lines, and as a notification."""

from dataclasses import replace

import pytest

from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import RunState
from nightschool.reports.night_summary import Interruption, NightSummary, RunSummary
from nightschool.reports.text.night_text import (
    as_dict,
    lines,
    notification,
    outcome,
)
from nightschool.stats.terms import Decision

RUN = RunSummary(5, RunState.QUEUED, "", 412, 412, 648, Reason.ON_BATTERY)
DONE = RunSummary(5, RunState.DONE, "promote: ...", 0, 648, 648, None, 0.48, 0.7, Decision.PROMOTE)
NIGHT = NightSummary(
    0.0, 28_800.0, 12_000.0, 11_400.0,
    (Interruption(Reason.ON_BATTERY, 1, 720.0), Interruption(Reason.OWNER_ACTIVE, 2, 360.0)), (RUN,),
)  # fmt: skip


def test_a_line_has_the_training_and_the_interruptions() -> None:
    assert lines(NIGHT) == [
        "last night: trained 3 h 10 min (412 of 648 steps), interrupted 3 times "
        "(on battery 12 min, computer in use 6 min)",
        "run 5 continues at step 412 of 648; last stop: on battery",
    ]


def test_lines_of_two_runs_of_no_work_and_of_scoring() -> None:
    both = replace(
        NIGHT, interruptions=(), runs=(RUN, replace(RUN, run=6, steps=10, total_steps=100))
    )
    assert lines(both, "tonight so far")[0] == (
        "tonight so far: trained 3 h 10 min (422 of 748 steps)"
    )
    nothing = replace(NIGHT, worked_s=0.0, trained_s=0.0, runs=())
    assert lines(replace(nothing, interruptions=())) == ["last night: no work was done"]
    assert lines(nothing) == [
        "last night: no work was done: on battery 12 min, computer in use 6 min"
    ]
    scored = replace(
        NIGHT, interruptions=(), runs=(replace(RUN, steps=0, total_steps=0, stopped=None),)
    )
    assert lines(scored) == ["last night: worked 3 h 20 min", "run 5 continues"]


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (DONE, "run 5: 48 % of the test notes right before, 70 % after; the new model is in use"),
        (replace(DONE, decision=Decision.KEEP),
         "run 5: 48 % of the test notes right before, 70 % after; the previous model stays in use"),
        (replace(DONE, decision=Decision.INCONCLUSIVE),
         "run 5: 48 % of the test notes right before, 70 % after; the test notes are too few to tell, so the "
         "previous model stays in use"),
        (replace(RUN, state=RunState.FAILED, reason="the disk is full"), "run 5 failed: the disk is full"),
        (replace(RUN, state=RunState.CANCELLED), "run 5 cancelled"),
    ],
)  # fmt: skip
def test_outcome_of_a_run(run: RunSummary, said: str) -> None:
    assert outcome(run) == said


@pytest.mark.parametrize(
    ("runs", "title"),
    [
        ((RUN,), "nightschool trained 3 h 10 min"),
        ((DONE, RUN), "nightschool: a better model is in use"),
        ((replace(DONE, decision=Decision.KEEP),), "nightschool: run 5 is done"),
        ((DONE, replace(RUN, run=6, state=RunState.FAILED)), "nightschool: run 6 failed"),
    ],
)
def test_title_states_the_most_important_outcome(runs: tuple[RunSummary, ...], title: str) -> None:
    night = replace(NIGHT, runs=runs)
    assert notification(night) == (title, "\n".join(lines(night)))


def test_times_in_json_have_an_offset() -> None:
    found = as_dict(NIGHT)
    assert len(found["start"]) == len("1970-01-01T00:00:00+00:00") and found["start"][-3] == ":"
    assert found["runs"][0]["steps"] == 412 and found["aside"][1]["seconds"] == 360.0


def test_json_of_a_run_without_a_decision_has_empty_strings() -> None:
    night = as_dict(replace(NIGHT, runs=(replace(RUN, stopped=None),)))
    assert (night["runs"][0]["stopped"], night["runs"][0]["decision"]) == ("", "")
