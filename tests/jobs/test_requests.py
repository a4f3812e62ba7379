from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.config.settings import Settings
from nightschool.jobs.requests import RequestError, duration_s, request_run, request_stage
from nightschool.ledger.ledger import Ledger

SETTINGS = Settings()


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


def test_an_unfinished_run_goes_on_instead_of_a_second_one(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        first, is_new = request_run(ledger, SETTINGS, "tonight", new=False)
        again, again_new = request_run(ledger, SETTINGS, "now", new=False)
        other, other_new = request_run(ledger, SETTINGS, "now", new=True)
    assert (is_new, again_new, other_new) == (True, False, True)
    assert (again.id, again.timing, other.id) == (first.id, "now", first.id + 1)


def test_a_stage_that_is_done_is_not_done_again(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        run, done = request_stage(ledger, SETTINGS, "prep", new=False)
        assert not done
        claim = ledger.claim(run.id, "worker")
        assert claim
        ledger.finish(claim, {})
        assert request_stage(ledger, SETTINGS, "prep", new=False) == (ledger.run(run.id), True)
        later, done = request_stage(ledger, SETTINGS, "train", new=False)
    assert (later.id, later.goal, done) == (run.id, "train", False)


def test_a_stage_of_a_failed_run_asks_for_retry(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        run, _ = request_stage(ledger, SETTINGS, "prep", new=False)
        claim = ledger.claim(run.id, "worker")
        assert claim
        ledger.fail(claim, "no notes")
        with pytest.raises(RequestError, match="nightschool retry 1"):
            request_stage(ledger, SETTINGS, "prep", new=False)
