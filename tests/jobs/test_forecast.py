"""The forecast for the night: the decision now, and when work starts and is done."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from nightschool.config.night_settings import WEEKDAYS
from nightschool.config.paths import School
from nightschool.jobs.forecast import forecast_night, schedule_work, work_left_s
from nightschool.jobs.history import History
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import StageName, Timing
from tests.jobs.nights import ALL_DAY, at, night, signals

NOON = at("12:00")
H = 3600.0
WEEKEND = {day: "off" for day in WEEKDAYS[:4]} | {"friday": "22:00-09:00", "saturday": "off"}


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def finished(ledger: Ledger, clock: Clock, seconds: dict[str, float]) -> int:
    """A finished run whose stages took `seconds`."""
    run = ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT).id
    for name, took in seconds.items():
        claim = ledger.claim(run, "w")
        assert claim and claim.stage == name
        clock.now += took
        ledger.finish(claim, {})
    return run


TOOK = {"prep": 1.0, "baseline": 40.0, "train": 600.0, "evaluate": 50.0, "compare": 10.0}


def test_work_left_of_a_first_run_is_unknown_until_its_steps_are_timed(tmp_path: Path) -> None:
    clock = Clock()
    with Ledger(tmp_path / "ledger.db", clock) as ledger:
        run = ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT)
        assert work_left_s(ledger, run) is None
        for name in ("prep", "baseline"):
            claim = ledger.claim(run.id, "w")
            assert claim
            clock.now += TOOK[name]
            ledger.finish(claim, {})
        assert work_left_s(ledger, run) is None
        claim = ledger.claim(run.id, "w")
        assert claim
        clock.now += 100
        ledger.progress(claim, 10, 40, 1.0, None)
        # 30 steps of 10 s, scoring again with the adapter, the report
        assert work_left_s(ledger, run) == pytest.approx(300 + 1.25 * 40 + 10)


def test_work_left_of_a_later_run_equals_what_the_last_one_took(tmp_path: Path) -> None:
    clock = Clock()
    with Ledger(tmp_path / "ledger.db", clock) as ledger:
        finished(ledger, clock, TOOK)
        run = ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT)
        assert work_left_s(ledger, run) == pytest.approx(sum(TOOK.values()))
        only_prep = ledger.add_run({}, StageName.PREP, Timing.TONIGHT)
        assert work_left_s(ledger, only_prep) == pytest.approx(1)


def test_forecast_of_a_waiting_run_has_the_window_and_the_schedule(tmp_path: Path) -> None:
    school = School(tmp_path)
    clock = Clock()
    with Ledger(school.ledger_file, clock) as ledger:
        finished(ledger, clock, TOOK)
        ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT)
    forecast = forecast_night(school, night(), NOON, signals())
    assert (forecast.decision.run, forecast.decision.reason) == (False, Reason.OUTSIDE_WINDOW)
    assert forecast.window and forecast.window.opens == at("23:00")
    assert forecast.schedule and forecast.schedule.starts == at("23:00")
    assert forecast.schedule.done == pytest.approx(at("23:00") + sum(TOOK.values()))
    assert forecast.worker is None


def test_forecast_of_a_run_now_has_no_schedule_and_lists_the_overridden_rules(
    tmp_path: Path,
) -> None:
    school = School(tmp_path)
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run({}, StageName.COMPARE, Timing.NOW)
    forecast = forecast_night(school, night(), NOON, signals(on_ac=False, idle_s=3.0))
    assert forecast.decision.run and forecast.schedule is None
    overridden = [finding.reason for finding in forecast.decision.findings]
    assert overridden == [Reason.OUTSIDE_WINDOW, Reason.ON_BATTERY, Reason.OWNER_ACTIVE]


def test_forecast_without_a_run_is_nothing_to_do(tmp_path: Path) -> None:
    forecast = forecast_night(School(tmp_path), night(), NOON)
    assert (forecast.run, forecast.decision.reason, forecast.schedule) == (
        None,
        Reason.NOTHING_TO_DO,
        None,
    )


def test_forecast_starts_after_a_pause(tmp_path: Path) -> None:
    school = School(tmp_path)
    with Ledger(school.ledger_file, Clock()) as ledger:
        ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT)
        until = time.time() + 3600.0  # of the ledger that `forecast_night` opens
        ledger.pause(until)
        forecast = forecast_night(school, night(**ALL_DAY), until - 3600.0)
        assert forecast.schedule and forecast.schedule.starts == until
        ledger.pause(None)
        assert forecast_night(school, night(), NOON).schedule is None


@pytest.mark.parametrize(
    ("settings", "work", "now", "text"),
    [
        ({}, 3 * H + 600, at("12:00"),
         "starts at 23:00 if idle, 3 h 10 min of work, done by about 02:10, otherwise resumes tomorrow"),
        ({}, 3 * H, at("01:02", 25),
         "starts now if idle, 3 h of work, done by about 04:05, otherwise resumes at 23:00"),
        ({}, None, at("12:00"), "starts at 23:00 if idle; the time left is known once three steps are timed"),
        ({}, 20 * H, at("12:00"),
         "starts at 23:00 if idle, 20 h of work over 3 nights, done by about Fri 03:05"),
        ({"max_hours": 2.0}, 3 * H, at("12:00"),
         "starts at 23:00 if idle, 3 h of work over 2 nights, done by about Thu 00:00"),
        ({"finish_by": "01:00"}, 3 * H, at("12:00"),
         "starts at 23:00 if idle, 3 h of work over 2 nights, done by about Thu 00:05"),
        ({"days": {**WEEKEND, "sunday": "off"}}, H, at("12:00"),
         "starts Friday at 22:00 if idle, 1 h of work, done by about Fri 23:00, "
         "otherwise resumes on Fri 4 Dec"),
        ({"days": {"wednesday": "off"}}, H, at("12:00"),
         "starts at 23:00 if idle, 1 h of work, done by about 00:00, otherwise resumes on Thursday"),
        ({}, 1000 * H, at("12:00"), "starts at 23:00 if idle, 1000 h of work: more than two weeks"),
    ],
)  # fmt: skip
def test_schedule_text_gives_the_start_and_the_end(
    settings: dict[str, Any], work: float | None, now: float, text: str
) -> None:
    assert schedule_work(night(**settings), work, now, History()).text == text


def test_schedule_of_a_working_run_starts_now() -> None:
    history = History(running=True)
    forecast = schedule_work(night(), 2 * H, at("01:00", 25), history)
    assert (
        forecast.text == "working now, 2 h of work, done by about 03:00, otherwise resumes at 23:00"
    )
    assert (forecast.starts, forecast.done, forecast.nights) == (
        at("01:00", 25),
        at("03:00", 25),
        1,
    )


def test_hours_worked_count_against_the_night() -> None:
    history = History(stretches=((at("23:00"), at("00:30", 25)),))
    forecast = schedule_work(night(max_hours=2.0), H, at("00:30", 25), history)
    assert (forecast.starts, forecast.done, forecast.nights) == (
        at("00:30", 25),
        at("23:30", 25),
        2,
    )


@pytest.mark.parametrize(
    ("until", "text"),
    [
        (
            at("18:00"),
            "starts at 23:00 if idle, 3 h of work, done by about 02:00, otherwise resumes tomorrow",
        ),
        (
            at("01:00", 25),
            "starts at 01:00 if idle, 3 h of work, done by about 04:00, otherwise resumes tomorrow",
        ),
    ],
)
def test_schedule_starts_after_a_pause(until: float, text: str) -> None:
    assert schedule_work(night(), 3 * H, at("12:00"), History(), until).text == text


def test_schedule_of_a_run_paused_a_moment_ago_does_not_start_now() -> None:
    now, until = at("01:00", 25), at("02:00", 25)
    forecast = schedule_work(night(), H, now, History(running=True), until)
    assert forecast.starts == until and forecast.text.startswith("starts at 02:00 if idle")
