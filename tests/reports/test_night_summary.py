"""A night's story from rows of the ledger."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Attempt, PastDecision
from nightschool.reports.night_summary import night_between, spans
from nightschool.reports.text.night_text import lines
from nightschool.reports.timeline import Span

M = 60.0


def said(at: float, allowed: bool, reason: str) -> PastDecision:
    return PastDecision(at, None, allowed, reason, "")


def attempt(stage: str, start: float, end: float | None, outcome: str | None) -> Attempt:
    return Attempt(1, stage, M * start, None if end is None else M * end, outcome, "")  # type: ignore[arg-type]


def told(found: list[Span]) -> list[tuple[str, float, float, str, str]]:
    return [(s.stage, s.start / M, s.end / M, s.state, s.reason) for s in found]


def test_work_waits_and_stepping_aside_follow_each_other() -> None:
    attempts = [
        attempt("prep", 10, 11, "finished"),
        attempt("train", 11, 41, "chunk_done"),
        attempt("train", 41, 50, "owner_active"),
        attempt("train", 56, 80, "outside_window"),
        attempt("train", 900, None, None),
    ]
    assert told(spans(attempts, 0, M * 930)) == [
        ("prep", 0, 10, "waited", "queued"),
        ("prep", 10, 11, "worked", ""),
        ("train", 11, 50, "worked", ""),
        ("train", 50, 56, "aside", "owner_active"),
        ("train", 56, 80, "worked", ""),
        ("train", 80, 900, "waited", "outside_window"),
        ("train", 900, 930, "worked", ""),
    ]


def test_an_attempt_that_found_the_device_in_use_did_no_work() -> None:
    attempts = [
        attempt("train", 10, 20, "chunk_done"),
        attempt("train", 20, 21, "device_busy"),
        attempt("train", 26, 27, "device_busy"),
        attempt("train", 32, 40, "finished"),
    ]
    assert told(spans(attempts, M * 10, M * 40)) == [
        ("train", 10, 20, "worked", ""),
        ("train", 20, 32, "aside", "device_busy"),
        ("train", 32, 40, "worked", ""),
    ]


def test_decisions_tell_how_the_reason_changed_while_it_waited() -> None:
    attempts = [attempt("train", 10, 20, "owner_active"), attempt("train", 90, 95, "finished")]
    decisions = [
        said(M * 2, False, "outside_window"),
        said(M * 10, True, "in_window"),
        said(M * 20, False, "owner_active"),
        said(M * 30, False, "quiet_time"),  # a consequence: the owner's
        said(M * 35, False, "on_battery"),
        said(M * 60, False, "outside_window"),
        said(M * 90, True, "in_window"),
    ]
    assert told(spans(attempts, 0, M * 95, decisions)) == [
        ("train", 0, 2, "waited", "queued"),
        ("train", 2, 10, "waited", "outside_window"),
        ("train", 10, 20, "worked", ""),
        ("train", 20, 35, "aside", "owner_active"),
        ("train", 35, 60, "aside", "on_battery"),
        ("train", 60, 90, "waited", "outside_window"),
        ("train", 90, 95, "worked", ""),
    ]


def test_between_two_chunks_hours_apart_no_worker_was_there() -> None:
    attempts = [attempt("train", 0, 10, "chunk_done"), attempt("train", 100, 110, "finished")]
    gone = [said(M * 11, False, "no_worker")]
    assert told(spans(attempts, 0, M * 110, gone))[1:3] == [
        ("train", 10, 11, "waited", "queued"),
        ("train", 11, 100, "waited", "no_worker"),
    ]


def test_only_what_lies_between_two_moments_is_told() -> None:
    attempts = [attempt("train", 0, 50, "paused"), attempt("train", 70, 200, "finished")]
    assert told(spans(attempts, M * 40, M * 100)) == [
        ("train", 40, 50, "worked", ""),
        ("train", 50, 70, "aside", "paused"),
        ("train", 70, 100, "worked", ""),
    ]
    assert spans(attempts, M * 300, M * 400) == []
    assert spans([], 0, 100) == []


OUTCOMES = st.sampled_from(["finished", "chunk_done", "owner_active", "outside_window", "paused"])


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), OUTCOMES), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 99), st.booleans(), OUTCOMES), max_size=8),
    st.integers(0, 40),
    st.integers(41, 200),
)
def test_stretches_never_overlap_and_hold_all_work(
    shape: list[tuple[int, int, str]], decided: list[tuple[int, bool, str]], start: int, end: int
) -> None:
    at, attempts = 0, []
    for pause, length, outcome in shape:
        attempts.append(attempt("train", at + pause, at + pause + length, outcome))
        at += pause + length
    decisions = [said(M * when, allowed, reason) for when, allowed, reason in sorted(decided)]
    found = spans(attempts, M * start, M * end, decisions)
    assert all(M * start <= s.start < s.end <= M * end for s in found)
    assert all(one.end <= other.start for one, other in pairwise(found))
    work = [max(0.0, min(a.ended or 0, M * end) - max(a.started, M * start)) for a in attempts]
    assert sum(s.seconds for s in found if s.state == "worked") == pytest.approx(sum(work))


def test_an_owner_who_comes_and_stays_is_stepped_aside_for_till_the_morning(tmp_path: Path) -> None:
    now = 0.0
    with Ledger(tmp_path / "ledger.db", clock=lambda: now) as ledger:
        ledger.add_run({}, "compare", "tonight")
        claim = ledger.claim(1, "worker")
        assert claim
        now = 60 * M
        ledger.interrupt(claim, "owner_active", "")  # type: ignore[arg-type]
        (aside,) = night_between(ledger, 0, 480 * M).aside
    assert (aside.reason, aside.times, aside.seconds) == ("owner_active", 1, 420 * M)


Decided = list[tuple[float, bool, str]]


@pytest.mark.parametrize(
    ("decided", "told"),
    [
        ([(0, False, "outside_window"), (60, False, "idle_unknown")], [("idle_unknown", 480)]),
        ([(0, False, "outside_window")], [("woke", 480)]),  # or it had decided at 60
        ([(0, False, "outside_window"), (240, False, "woke")], [("woke", 480)]),
        ([(0, False, "no_worker")], [("no_worker", 480)]),
        ([], [("no_worker", 480)]),
        ([(0, False, "nothing_to_do"), (300, False, "on_battery")], [("on_battery", 240)]),
        ([(0, False, "on_battery"), (300, False, "outside_window")], [("on_battery", 240)]),
        (
            [(60, False, "on_battery"), (90, False, "quiet_time"), (95, False, "owner_active")],
            [("owner_active", 445), ("on_battery", 35)],
        ),
        (
            [(60, False, "on_battery"), (100, False, "no_worker"), (500, False, "on_battery")],
            [("no_worker", 400), ("on_battery", 80)],
        ),
    ],
)
def test_a_night_without_work_tells_what_held_it_up(
    tmp_path: Path, decided: Decided, told: list[tuple[str, float]]
) -> None:
    now = 0.0
    with Ledger(tmp_path / "ledger.db", clock=lambda: now) as ledger:
        ledger.add_run({}, "compare", "tonight")
        for minute, allowed, reason in decided:
            now = M * minute
            ledger.decide(None if reason in ("no_worker", "nothing_to_do") else 1, allowed, reason)
        night = night_between(ledger, 60 * M, 540 * M)
        assert [(one.reason, one.seconds / M) for one in night.aside] == told
        assert (night.runs, night.worked_s) == ((), 0)


def test_a_night_without_a_run_was_held_up_by_nothing(tmp_path: Path) -> None:
    now = 0.0
    with Ledger(tmp_path / "ledger.db", clock=lambda: now) as ledger:
        for now, reason in ((0.0, "nothing_to_do"), (90 * M, "no_worker")):  # noqa: B007
            ledger.decide(None, False, reason)
        now = 600 * M
        ledger.add_run({}, "compare", "tonight")
        assert night_between(ledger, 60 * M, 540 * M).aside == ()


def test_a_night_in_the_ledger_is_told_in_lines(tmp_path: Path) -> None:
    now = 0.0

    def clock() -> float:
        return now

    with Ledger(tmp_path / "ledger.db", clock=clock) as ledger:
        run = ledger.add_run({}, "compare", "tonight").id

        def work(minutes: float, outcome: str, step: int = 0, **result: object) -> None:
            nonlocal now
            claim = ledger.claim(run, "worker")
            assert claim
            now += M * minutes
            if step:
                ledger.progress(claim, step, 648, 0.5, None)
            if outcome == "finished":
                ledger.finish(claim, result)
            else:
                ledger.interrupt(claim, outcome, "")  # type: ignore[arg-type]

        now = 23 * 60 * M
        evening = now
        work(1, "finished")
        work(5, "finished", accuracy=0.48)
        work(60, "owner_active", 200)
        now += 6 * M
        work(70, "on_battery", 400)
        now += 12 * M
        work(60, "outside_window", 588)
        morning = now
        found = night_between(ledger, evening, morning)
        assert lines(found) == [
            "last night: trained 3 h 10 min (588 of 648 steps), stepped aside 2 times "
            "(on battery 12 min, owner there 6 min)",
            "run 1 goes on at step 588 of 648; it stopped last: outside the window",
        ]
        now += 16 * 60 * M
        evening = now
        work(20, "finished", 648)
        work(5, "finished", accuracy=0.7)
        work(1, "finished", decision="promote", reason="promote: better")
        found = night_between(ledger, evening, now + 60 * M)
        assert lines(found, "tonight so far") == [
            "tonight so far: trained 20 min (60 of 648 steps)",
            "run 1: 48 % of the test notes right before, 70 % after; its model is in use now",
        ]
        assert night_between(ledger, now + M, now + 2 * M).runs == ()
        # Any part of the night holds no more than the whole.
        rng = Random(1)
        for _ in range(30):
            begin, over = sorted(rng.uniform(0, now) for _ in range(2))
            part = night_between(ledger, begin, over)
            assert part.trained_s <= part.worked_s <= over - begin
