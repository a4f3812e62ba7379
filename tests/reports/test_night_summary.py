"""A night's summary from the rows of the ledger."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason, parse_outcome
from nightschool.ledger.records import Attempt, PastDecision, StageName, Timing
from nightschool.reports.night_summary import night_between, spans
from nightschool.reports.text.night_text import lines
from nightschool.reports.timeline import Span

M = 60.0


def decided(at: float, allowed: bool, reason: str) -> PastDecision:
    return PastDecision(at, None, allowed, Reason(reason), "")


def attempt(stage: str, start: float, end: float | None, outcome: str | None) -> Attempt:
    how = None if outcome is None else parse_outcome(outcome)
    return Attempt(1, StageName(stage), M * start, None if end is None else M * end, how, "")


def rows(found: list[Span]) -> list[tuple[str, float, float, str, str]]:
    """Times in minutes; the reason of work is ""."""
    return [(s.stage, s.start / M, s.end / M, s.state, s.reason or "") for s in found]


def test_spans_of_work_waiting_and_interruptions() -> None:
    attempts = [
        attempt("prep", 10, 11, "finished"),
        attempt("train", 11, 41, "chunk_done"),
        attempt("train", 41, 50, "owner_active"),
        attempt("train", 56, 80, "outside_window"),
        attempt("train", 900, None, None),
    ]
    assert rows(spans(attempts, 0, M * 930)) == [
        ("prep", 0, 10, "waited", "queued"),
        ("prep", 10, 11, "worked", ""),
        ("train", 11, 50, "worked", ""),
        ("train", 50, 56, "aside", "owner_active"),
        ("train", 56, 80, "worked", ""),
        ("train", 80, 900, "waited", "outside_window"),
        ("train", 900, 930, "worked", ""),
    ]


def test_attempt_without_a_device_counts_as_an_interruption() -> None:
    attempts = [
        attempt("train", 10, 20, "chunk_done"),
        attempt("train", 20, 21, "device_busy"),
        attempt("train", 26, 27, "device_busy"),
        attempt("train", 32, 40, "finished"),
    ]
    assert rows(spans(attempts, M * 10, M * 40)) == [
        ("train", 10, 20, "worked", ""),
        ("train", 20, 32, "aside", "device_busy"),
        ("train", 32, 40, "worked", ""),
    ]


def test_decisions_change_the_reason_of_a_wait() -> None:
    attempts = [attempt("train", 10, 20, "owner_active"), attempt("train", 90, 95, "finished")]
    decisions = [
        decided(M * 2, False, "outside_window"),
        decided(M * 10, True, "in_window"),
        decided(M * 20, False, "owner_active"),
        decided(M * 30, False, "quiet_time"),  # a consequence: the reason stays owner_active
        decided(M * 35, False, "on_battery"),
        decided(M * 60, False, "outside_window"),
        decided(M * 90, True, "in_window"),
    ]
    assert rows(spans(attempts, 0, M * 95, decisions)) == [
        ("train", 0, 2, "waited", "queued"),
        ("train", 2, 10, "waited", "outside_window"),
        ("train", 10, 20, "worked", ""),
        ("train", 20, 35, "aside", "owner_active"),
        ("train", 35, 60, "aside", "on_battery"),
        ("train", 60, 90, "waited", "outside_window"),
        ("train", 90, 95, "worked", ""),
    ]


def test_gap_between_chunks_is_a_wait_for_a_worker() -> None:
    attempts = [attempt("train", 0, 10, "chunk_done"), attempt("train", 100, 110, "finished")]
    gone = [decided(M * 11, False, "no_worker")]
    assert rows(spans(attempts, 0, M * 110, gone))[1:3] == [
        ("train", 10, 11, "waited", "queued"),
        ("train", 11, 100, "waited", "no_worker"),
    ]


def test_spans_are_clipped_to_the_requested_time() -> None:
    attempts = [attempt("train", 0, 50, "paused"), attempt("train", 70, 200, "finished")]
    assert rows(spans(attempts, M * 40, M * 100)) == [
        ("train", 40, 50, "worked", ""),
        ("train", 50, 70, "aside", "paused"),
        ("train", 70, 100, "worked", ""),
    ]
    assert spans(attempts, M * 300, M * 400) == []
    assert spans([], 0, 100) == []


REASONS = ["owner_active", "outside_window", "paused"]
OUTCOMES = st.sampled_from(["finished", "chunk_done", *REASONS])


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), OUTCOMES), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 99), st.booleans(), st.sampled_from(REASONS)), max_size=8),
    st.integers(0, 40),
    st.integers(41, 200),
)
def test_spans_never_overlap_and_contain_all_work(
    shape: list[tuple[int, int, str]], reasons: list[tuple[int, bool, str]], start: int, end: int
) -> None:
    at, attempts = 0, []
    for pause, length, outcome in shape:
        attempts.append(attempt("train", at + pause, at + pause + length, outcome))
        at += pause + length
    decisions = [decided(M * when, allowed, reason) for when, allowed, reason in sorted(reasons)]
    found = spans(attempts, M * start, M * end, decisions)
    assert all(M * start <= s.start < s.end <= M * end for s in found)
    assert all(one.end <= other.start for one, other in pairwise(found))
    work = [max(0.0, min(a.ended or 0, M * end) - max(a.started, M * start)) for a in attempts]
    assert sum(s.seconds for s in found if s.state == "worked") == pytest.approx(sum(work))


def test_interruption_lasts_until_the_end_of_the_night(tmp_path: Path) -> None:
    now = 0.0
    with Ledger(tmp_path / "ledger.db", clock=lambda: now) as ledger:
        ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT)
        claim = ledger.claim(1, "worker")
        assert claim
        now = 60 * M
        ledger.interrupt(claim, Reason.OWNER_ACTIVE, "")
        (interruption,) = night_between(ledger, 0, 480 * M).interruptions
    assert (interruption.reason, interruption.times, interruption.seconds) == (
        "owner_active",
        1,
        420 * M,
    )


PolicyRows = list[tuple[float, bool, str]]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ([(0, False, "outside_window"), (60, False, "idle_unknown")], [("idle_unknown", 480)]),
        ([(0, False, "outside_window")], [("woke", 480)]),  # else there were a decision at 60
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
def test_night_without_work_lists_what_held_it_up(
    tmp_path: Path, policy: PolicyRows, expected: list[tuple[str, float]]
) -> None:
    now = 0.0
    with Ledger(tmp_path / "ledger.db", clock=lambda: now) as ledger:
        ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT)
        for minute, allowed, reason in policy:
            now = M * minute
            run = None if reason in ("no_worker", "nothing_to_do") else 1
            ledger.decide(run, allowed, Reason(reason))
        night = night_between(ledger, 60 * M, 540 * M)
        assert [(one.reason, one.seconds / M) for one in night.interruptions] == expected
        assert (night.runs, night.worked_s) == ((), 0)


def test_night_without_a_run_has_no_interruptions(tmp_path: Path) -> None:
    now = 0.0
    with Ledger(tmp_path / "ledger.db", clock=lambda: now) as ledger:
        for now, reason in ((0.0, Reason.NOTHING_TO_DO), (90 * M, Reason.NO_WORKER)):  # noqa: B007
            ledger.decide(None, False, reason)
        now = 600 * M
        ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT)
        assert night_between(ledger, 60 * M, 540 * M).interruptions == ()


def test_summary_lines_of_a_night(tmp_path: Path) -> None:
    now = 0.0

    def clock() -> float:
        return now

    with Ledger(tmp_path / "ledger.db", clock=clock) as ledger:
        run = ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT).id

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
            "last night: trained 3 h 10 min (588 of 648 steps), interrupted 2 times "
            "(on battery 12 min, computer in use 6 min)",
            "run 1 continues at step 588 of 648; last stop: outside the window",
        ]
        now += 16 * 60 * M
        evening = now
        work(20, "finished", 648)
        work(5, "finished", accuracy=0.7)
        work(1, "finished", decision="promote", reason="promote: better")
        found = night_between(ledger, evening, now + 60 * M)
        assert lines(found, "tonight so far") == [
            "tonight so far: trained 20 min (60 of 648 steps)",
            "run 1: 48 % of the test notes right before, 70 % after; the new model is in use",
        ]
        assert night_between(ledger, now + M, now + 2 * M).runs == ()
        # A part of a night contains no more work than time.
        rng = Random(1)
        for _ in range(30):
            begin, over = sorted(rng.uniform(0, now) for _ in range(2))
            part = night_between(ledger, begin, over)
            assert part.trained_s <= part.worked_s <= over - begin
