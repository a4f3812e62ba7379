"""The night's spans come from the ledger's own lines, and never from guesses."""

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from page_examples import everything

from nightschool.ledger.ledger import Ledger
from nightschool.reports.contract import Report
from nightschool.reports.night import ticks
from nightschool.reports.timeline import spans


def _told(report: Report) -> list[tuple[str, str, str, float]]:
    return [(span.stage, span.state, span.reason, span.seconds / 60) for span in spans(report)]


def test_a_night_is_work_and_waits_with_their_reasons() -> None:
    told = _told(everything())
    assert [(stage, state, reason) for stage, state, reason, _ in told] == [
        ("prep", "waited", "queued"),
        ("baseline", "worked", ""),
        ("train", "worked", ""),
        ("train", "waited", "paused by its owner"),
        ("train", "worked", ""),
        ("train", "waited", "outside the night's window"),
        ("train", "worked", ""),
        ("evaluate", "worked", ""),
        ("compare", "worked", ""),
    ]
    assert told[3][3] == pytest.approx(40.9, abs=0.1)
    found = spans(everything())
    assert all(one.end == next_.start for one, next_ in pairwise(found))


def test_lines_that_the_ledger_writes_are_understood(report: Report, tmp_path: Path) -> None:
    now = 1_800_000_000.0

    def clock() -> float:
        return now

    with Ledger(tmp_path / "ledger.db", clock=clock) as ledger:
        run = ledger.add_run({}, "compare", "now").id
        for outcome, minutes in ((None, 1), ("paused", 5), ("lost", 3), (None, 2)):
            claim = ledger.claim(run, "worker")
            assert claim is not None
            now += 60
            ledger.event(run, claim.stage, "state", "goes on")
            now += 60 * minutes
            if outcome is None:
                ledger.finish(claim, {})
            else:
                ledger.interrupt(claim, outcome, "why (in brackets)")  # type: ignore[arg-type]
        events = ledger.events(run)
    report["timeline"] = [{"at": _iso(event.at), "event": event.message} for event in events]
    report["created"] = _iso(now + 30)
    assert _told(report) == [
        ("prep", "waited", "queued", 1),
        ("prep", "worked", "", 1),
        ("baseline", "worked", "", 6),
        ("baseline", "waited", "paused by its owner", 1),
        ("baseline", "worked", "", 3),
        ("baseline", "waited", "its process ended early", 1),
        ("baseline", "worked", "", 2),
        ("train", "worked", "", 0.5),
    ]


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


@pytest.mark.parametrize("at", ["no time", "2026-11-24T03:00:00+00:00"])
def test_a_log_that_does_not_tell_gives_no_spans(report: Report, at: str) -> None:
    report["timeline"] = [{"at": at, "event": "something else happened"}]
    assert spans(report) == []
    report["timeline"] = []
    assert spans(report) == []


def test_a_failed_run_waits_until_it_is_tried_again(report: Report) -> None:
    report["timeline"] = [
        {"at": f"2026-11-24T0{hour}:00:00+00:00", "event": event}
        for hour, event in enumerate(
            ["run 3 queued up to compare", "prep done", "run 3 failed: no room\non the disk",
             "run 3 queued: it is tried again", "12 of 50 test notes right", "baseline done"]
        )
    ]  # fmt: skip
    report["created"] = "2026-11-24T05:00:00+00:00"
    assert _told(report) == [
        ("prep", "waited", "queued", 60),
        ("baseline", "worked", "", 60),
        ("baseline", "waited", "failed", 120),
        ("baseline", "worked", "", 60),
    ]


@pytest.mark.parametrize("length", [10, 300, 3600, 30_000, 86_400 * 3, 86_400 * 200])
def test_any_length_has_two_to_five_ticks_inside(length: float) -> None:
    found = ticks(1_800_000_123.0, 1_800_000_123.0 + length)
    assert 1 <= len(found) <= 5
    assert all(0 <= at - 1_800_000_123.0 <= length for at, _ in found)
    assert len({text for _, text in found}) == len(found)
