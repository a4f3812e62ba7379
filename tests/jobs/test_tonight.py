"""The plan for the night, as `status` tells it."""

from __future__ import annotations

from typing import Any

import pytest

from nightschool.config.night_settings import WEEKDAYS
from nightschool.jobs.history import History
from nightschool.jobs.tonight import plan
from tests.jobs.nights import at, night

H = 3600.0
WEEKEND = {day: "off" for day in WEEKDAYS[:4]} | {"friday": "22:00-09:00", "saturday": "off"}


@pytest.mark.parametrize(
    ("settings", "work", "now", "said"),
    [
        ({}, 3 * H + 600, at("12:00"),
         "starts 23:00 if idle, 3 h 10 min of work, done about 02:10, else tomorrow"),
        ({}, 3 * H, at("01:02", 25), "starts now if idle, 3 h of work, done about 04:05, else from 23:00"),
        ({}, None, at("12:00"), "starts 23:00 if idle; how long it takes is known once three steps are timed"),
        ({}, 20 * H, at("12:00"), "starts 23:00 if idle, 20 h of work in 3 nights, done about Fri 03:05"),
        ({"max_hours": 2.0}, 3 * H, at("12:00"),
         "starts 23:00 if idle, 3 h of work in 2 nights, done about Thu 00:00"),
        ({"finish_by": "01:00"}, 3 * H, at("12:00"),
         "starts 23:00 if idle, 3 h of work in 2 nights, done about Thu 00:05"),
        ({"days": {**WEEKEND, "sunday": "off"}}, H, at("12:00"),
         "starts Fri 22:00 if idle, 1 h of work, done about Fri 23:00, else on Fri 4 Dec"),
        ({"days": {"wednesday": "off"}}, H, at("12:00"),
         "starts 23:00 if idle, 1 h of work, done about 00:00, else on Thursday"),
        ({}, 1000 * H, at("12:00"), "starts 23:00 if idle, 1000 h of work: more than two weeks"),
    ],
)  # fmt: skip
def test_the_plan_says_when_it_starts_and_when_it_is_done(
    settings: dict[str, Any], work: float | None, now: float, said: str
) -> None:
    assert plan(night(**settings), work, now, History()).text == said


def test_what_works_already_is_done_sooner() -> None:
    history = History(running=True)
    found = plan(night(), 2 * H, at("01:00", 25), history)
    assert found.text == "works now, 2 h of work, done about 03:00, else from 23:00"
    assert (found.starts, found.done, found.nights) == (at("01:00", 25), at("03:00", 25), 1)


def test_hours_that_were_worked_are_missing_from_the_night() -> None:
    history = History(stretches=((at("23:00"), at("00:30", 25)),))
    found = plan(night(max_hours=2.0), H, at("00:30", 25), history)
    assert (found.starts, found.done, found.nights) == (at("00:30", 25), at("23:30", 25), 2)


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (at("18:00"), "starts 23:00 if idle, 3 h of work, done about 02:00, else tomorrow"),
        (at("01:00", 25), "starts 01:00 if idle, 3 h of work, done about 04:00, else tomorrow"),
    ],
)
def test_a_pause_comes_before_the_plan(until: float, said: str) -> None:
    assert plan(night(), 3 * H, at("12:00"), History(), until).text == said


def test_what_was_paused_this_moment_does_not_work_now() -> None:
    now, until = at("01:00", 25), at("02:00", 25)
    found = plan(night(), H, now, History(running=True), until)
    assert found.starts == until and found.text.startswith("starts 02:00 if idle")
