"""A night in lines, and as a notification."""

from dataclasses import replace

import pytest

from nightschool.reports.text.night_text import (
    Aside,
    Night,
    RunOfNight,
    as_dict,
    lines,
    notification,
    outcome,
)

RUN = RunOfNight(5, "queued", "", 412, 412, 648, "on_battery")
DONE = RunOfNight(5, "done", "promote: ...", 0, 648, 648, "", 0.48, 0.7, "promote")
NIGHT = Night(
    0.0, 28_800.0, 12_000.0, 11_400.0,
    (Aside("on_battery", 1, 720.0), Aside("owner_active", 2, 360.0)), (RUN,),
)  # fmt: skip


def test_what_was_trained_and_what_it_stepped_aside_for_stand_in_a_line() -> None:
    assert lines(NIGHT) == [
        "last night: trained 3 h 10 min (412 of 648 steps), stepped aside 3 times "
        "(on battery 12 min, owner there 6 min)",
        "run 5 goes on at step 412 of 648; it stopped last: on battery",
    ]


def test_a_night_of_a_second_run_and_one_without_any() -> None:
    both = replace(NIGHT, aside=(), runs=(RUN, replace(RUN, run=6, steps=10, total_steps=100)))
    assert lines(both, "tonight so far")[0] == (
        "tonight so far: trained 3 h 10 min (422 of 748 steps)"
    )
    nothing = replace(NIGHT, worked_s=0.0, trained_s=0.0, runs=())
    assert lines(replace(nothing, aside=())) == ["last night: nothing was done"]
    assert lines(nothing) == ["last night: nothing was done: on battery 12 min, owner there 6 min"]
    scored = replace(NIGHT, aside=(), runs=(replace(RUN, steps=0, total_steps=0, stopped=""),))
    assert lines(scored) == ["last night: worked 3 h 20 min", "run 5 goes on"]


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (DONE, "run 5: 48 % of the test notes right before, 70 % after; its model is in use now"),
        (replace(DONE, decision="keep"),
         "run 5: 48 % of the test notes right before, 70 % after; the model before it stays in use"),
        (replace(DONE, decision="inconclusive"),
         "run 5: 48 % of the test notes right before, 70 % after; the test notes cannot tell, so nothing is "
         "replaced"),
        (replace(RUN, state="failed", reason="the disk is full"), "run 5 failed: the disk is full"),
        (replace(RUN, state="cancelled"), "run 5 cancelled"),
    ],
)  # fmt: skip
def test_what_became_of_a_run(run: RunOfNight, said: str) -> None:
    assert outcome(run) == said


@pytest.mark.parametrize(
    ("runs", "title"),
    [
        ((RUN,), "nightschool trained 3 h 10 min"),
        ((DONE, RUN), "nightschool: a better model is in use"),
        ((replace(DONE, decision="keep"),), "nightschool: run 5 is done"),
        ((DONE, replace(RUN, run=6, state="failed")), "nightschool: run 6 failed"),
    ],
)
def test_the_title_says_what_matters_most(runs: tuple[RunOfNight, ...], title: str) -> None:
    night = replace(NIGHT, runs=runs)
    assert notification(night) == (title, "\n".join(lines(night)))


def test_for_programs_times_have_an_offset() -> None:
    found = as_dict(NIGHT)
    assert len(found["start"]) == len("1970-01-01T00:00:00+00:00") and found["start"][-3] == ":"
    assert found["runs"][0]["steps"] == 412 and found["aside"][1]["seconds"] == 360.0
