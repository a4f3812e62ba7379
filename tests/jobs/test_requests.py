from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.config.errors import RequestError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.jobs.requests import duration_s, request_run, request_stage
from nightschool.ledger.ledger import Ledger

SETTINGS = Settings()


@pytest.fixture
def school(tmp_path: Path) -> School:
    (tmp_path / "notes/a").mkdir(parents=True)
    return School(tmp_path)


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("45m", 2700), ("1h30m", 5400), ("90s", 90), ("1d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "two hours", "h2", "-1h"])
def test_what_is_no_duration_is_said(text: str) -> None:
    with pytest.raises(RequestError, match="is no duration"):
        duration_s(text)


def test_a_time_beyond_every_calendar_is_refused() -> None:
    with pytest.raises(RequestError, match="a year"):
        duration_s("99999999d")


def test_an_unfinished_run_goes_on_instead_of_a_second_one(school: School) -> None:
    with Ledger(school.ledger_file) as ledger:
        first, is_new = request_run(ledger, school, SETTINGS, "tonight", new=False)
        again, again_new = request_run(ledger, school, SETTINGS, "now", new=False)
        other, other_new = request_run(ledger, school, SETTINGS, "now", new=True)
    assert (is_new, again_new, other_new) == (True, False, True)
    assert (again.id, again.timing, other.id) == (first.id, "now", first.id + 1)


def test_a_stage_that_is_done_is_not_done_again(school: School) -> None:
    with Ledger(school.ledger_file) as ledger:
        run, done = request_stage(ledger, school, SETTINGS, "prep", new=False)
        assert not done
        claim = ledger.claim(run.id, "worker")
        assert claim
        ledger.finish(claim, {})
        assert request_stage(ledger, school, SETTINGS, "prep", new=False) == (
            ledger.run(run.id),
            True,
        )
        later, done = request_stage(ledger, school, SETTINGS, "train", new=False)
    assert (later.id, later.goal, done) == (run.id, "train", False)


def test_a_stage_of_a_failed_run_asks_for_retry(school: School) -> None:
    with Ledger(school.ledger_file) as ledger:
        run, _ = request_stage(ledger, school, SETTINGS, "prep", new=False)
        claim = ledger.claim(run.id, "worker")
        assert claim
        ledger.fail(claim, "no notes")
        with pytest.raises(RequestError, match="nightschool retry 1"):
            request_stage(ledger, school, SETTINGS, "prep", new=False)


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_new_run_without_notes_is_refused_and_an_older_one_goes_on(
    school: School, left: str
) -> None:
    with Ledger(school.ledger_file) as ledger:
        (school.root / "notes/a").rmdir()
        if left == "nothing":
            (school.root / "notes").rmdir()
        for new in (False, True):
            with pytest.raises(RequestError, match=r"no notes at .*notes: is its drive connected"):
                request_run(ledger, school, SETTINGS, "now", new=new)
            with pytest.raises(RequestError, match=r"no notes at .*notes: is its drive connected"):
                request_stage(ledger, school, SETTINGS, "prep", new=new)
        assert ledger.runs() == []
        run = ledger.add_run({}, "compare", "tonight").id
        assert request_run(ledger, school, SETTINGS, "now", new=False)[0].id == run
