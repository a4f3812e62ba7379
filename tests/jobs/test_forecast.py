"""What `why`, `status` and `run` know of the night to come."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nightschool.config.paths import School
from nightschool.jobs.forecast import look_ahead, work_left_s
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from tests.jobs.nights import ALL_DAY, at, night, signals

NOON = at("12:00")


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def finished(ledger: Ledger, clock: Clock, seconds: dict[str, float]) -> int:
    """A run whose stages took so long each."""
    run = ledger.add_run({}, "compare", "tonight").id
    for name, took in seconds.items():
        claim = ledger.claim(run, "w")
        assert claim and claim.stage == name
        clock.now += took
        ledger.finish(claim, {})
    return run


TOOK = {"prep": 1.0, "baseline": 40.0, "train": 600.0, "evaluate": 50.0, "compare": 10.0}


def test_how_long_a_first_run_takes_is_unknown_until_its_steps_are_timed(tmp_path: Path) -> None:
    clock = Clock()
    with Ledger(tmp_path / "ledger.db", clock) as ledger:
        run = ledger.add_run({}, "compare", "tonight")
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


def test_a_later_run_is_taken_to_need_what_the_last_one_took(tmp_path: Path) -> None:
    clock = Clock()
    with Ledger(tmp_path / "ledger.db", clock) as ledger:
        finished(ledger, clock, TOOK)
        run = ledger.add_run({}, "compare", "tonight")
        assert work_left_s(ledger, run) == pytest.approx(sum(TOOK.values()))
        only_prep = ledger.add_run({}, "prep", "tonight")
        assert work_left_s(ledger, only_prep) == pytest.approx(1)


def test_the_outlook_of_a_waiting_run_has_the_window_and_the_plan(tmp_path: Path) -> None:
    school = School(tmp_path)
    clock = Clock()
    with Ledger(school.ledger_file, clock) as ledger:
        finished(ledger, clock, TOOK)
        ledger.add_run({}, "compare", "tonight")
    found = look_ahead(school, night(), NOON, signals())
    assert (found.decision.run, found.decision.reason) == (False, Reason.OUTSIDE_WINDOW)
    assert found.window and found.window.opens == at("23:00")
    assert found.plan and found.plan.starts == at("23:00")
    assert found.plan.done == pytest.approx(at("23:00") + sum(TOOK.values()))
    assert found.worker is None


def test_a_run_now_has_no_plan_and_names_what_it_overrides(tmp_path: Path) -> None:
    school = School(tmp_path)
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run({}, "compare", "now")
    found = look_ahead(school, night(), NOON, signals(on_ac=False, idle_s=3.0))
    assert found.decision.run and found.plan is None
    overridden = [finding.reason for finding in found.decision.findings]
    assert overridden == [Reason.OUTSIDE_WINDOW, Reason.ON_BATTERY, Reason.OWNER_ACTIVE]


def test_nothing_queued_is_nothing_to_do(tmp_path: Path) -> None:
    found = look_ahead(School(tmp_path), night(), NOON)
    assert (found.run, found.decision.reason, found.plan) == (None, Reason.NOTHING_TO_DO, None)


def test_the_plan_knows_of_a_pause(tmp_path: Path) -> None:
    school = School(tmp_path)
    with Ledger(school.ledger_file, Clock()) as ledger:
        ledger.add_run({}, "compare", "tonight")
        until = time.time() + 3600.0  # of the ledger that `look_ahead` opens
        ledger.pause(until)
        found = look_ahead(school, night(**ALL_DAY), until - 3600.0)
        assert found.plan and found.plan.starts == until
        ledger.pause(None)
        assert look_ahead(school, night(), NOON).plan is None
