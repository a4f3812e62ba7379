from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightschool.config.errors import LedgerDenied, LedgerError, RequestError
from nightschool.ledger import store as store_module
from nightschool.ledger.leases import MOST_LOSSES
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import STAGES, Answerer, Claim, Timing
from nightschool.ledger.schema import MIGRATIONS


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


def add(ledger: Ledger, goal: str = "compare", timing: Timing = "now") -> int:
    return ledger.add_run({"base": "demo"}, goal, timing).id


def claimed(ledger: Ledger, run: int) -> Claim:
    claim = ledger.claim(run, "worker")
    assert claim is not None
    return claim


def test_the_schema_is_as_written_down(ledger: Ledger, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        tables = {
            name: [column[1] for column in db.execute(f"PRAGMA table_info({name})")]
            for (name,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        }
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert tables == {
        "runs": ["id", "created", "state", "goal", "timing", "reason", "settings"],
        "stages": ["run", "name", "position", "state", "step", "total_steps", "loss", "eta_s",
                   "finished", "result", "retried_after"],
        "attempts": ["id", "run", "stage", "worker", "started", "ended", "outcome", "reason",
                     "best_before", "last_step", "worker_died"],
        "leases": ["run", "stage", "attempt", "worker"],
        "events": ["id", "at", "run", "stage", "kind", "message"],
        "control": ["one", "paused", "paused_until", "run_allowed", "decision_reason",
                    "decision_run"],
        "promotions": ["id", "run", "at", "by"],
        "test_exposures": ["id", "at", "run", "answerer", "seed", "model_run", "dataset", "test"],
        "decisions": ["id", "at", "run", "allowed", "reason", "detail"],
    }  # fmt: skip


def test_a_run_goes_through_its_stages_in_order(ledger: Ledger) -> None:
    run = add(ledger)
    done = []
    while claim := ledger.claim(run, "worker"):
        assert ledger.run(run).state == "running"
        done.append(claim.stage)
        ledger.finish(claim, {"reason": "promote: better"})
    assert tuple(done) == STAGES
    assert (ledger.run(run).state, ledger.run(run).reason) == ("done", "promote: better")


def test_a_stage_has_one_lease_at_a_time(ledger: Ledger) -> None:
    run = add(ledger)
    assert ledger.claim(run, "a") is not None
    assert ledger.claim(run, "b") is None


def test_a_run_waits_when_its_goal_is_reached_and_goes_on_when_it_is_raised(ledger: Ledger) -> None:
    run = add(ledger, goal="prep")
    ledger.finish(claimed(ledger, run), {})
    assert ledger.run(run).state == "waiting"
    assert ledger.claim(run, "worker") is None
    assert ledger.raise_goal(run, "baseline", "now").state == "queued"
    assert claimed(ledger, run).stage == "baseline"


def test_a_goal_is_never_lowered(ledger: Ledger) -> None:
    run = add(ledger, goal="compare")
    assert ledger.raise_goal(run, "prep", "now").goal == "compare"


def test_an_interrupted_stage_is_claimed_again(ledger: Ledger) -> None:
    run = add(ledger)
    ledger.interrupt(claimed(ledger, run), "paused", "paused by its owner")
    assert (ledger.run(run).state, ledger.run(run).reason) == ("queued", "paused by its owner")
    assert claimed(ledger, run).stage == "prep"


def test_a_new_worker_takes_over_what_a_dead_one_held(ledger: Ledger) -> None:
    run = add(ledger)
    claimed(ledger, run)
    assert ledger.take_over() == [run]
    assert ledger.run(run).state == "queued"
    assert claimed(ledger, run).stage == "prep"


def test_a_stage_that_dies_without_progress_fails_in_the_end(ledger: Ledger) -> None:
    run = add(ledger)
    for _ in range(MOST_LOSSES - 1):
        ledger.interrupt(claimed(ledger, run), "lost", "its process ended with code -11")
        assert ledger.run(run).state == "queued"
    ledger.interrupt(claimed(ledger, run), "lost", "its process ended with code -11")
    assert ledger.run(run).state == "failed"
    assert "code -11" in ledger.run(run).reason and "retry" in ledger.run(run).reason


def test_a_stage_that_dies_but_makes_progress_goes_on(ledger: Ledger) -> None:
    run = add(ledger)
    for step in range(1, 3 * MOST_LOSSES):
        claim = claimed(ledger, run)
        ledger.progress(claim, step, 100, 0.5, 60.0)
        ledger.interrupt(claim, "lost", "its process ended with code -11")
    assert ledger.run(run).state == "queued"


def test_a_stage_that_gets_no_further_than_before_fails_in_the_end(ledger: Ledger) -> None:
    run = add(ledger)
    for attempt in range(3 * MOST_LOSSES + 1):  # the first one does get further
        assert ledger.run(run).state == "queued", attempt
        claim = claimed(ledger, run)
        ledger.progress(claim, 5, 100, 0.5, 60.0)
        ledger.interrupt(claim, "lost", "its process ended with code -11")
    assert ledger.run(run).state == "failed"


def test_a_stage_that_is_killed_from_outside_fails_later(ledger: Ledger) -> None:
    run = add(ledger)
    for _ in range(3 * MOST_LOSSES):
        assert ledger.run(run).state == "queued"
        ledger.interrupt(claimed(ledger, run), "killed", "its process was killed")
    assert ledger.run(run).state == "failed"
    ledger.retry(run)
    ledger.interrupt(claimed(ledger, run), "killed", "its process was killed")
    assert ledger.run(run).state == "queued"


def test_progress_counts_also_where_the_worker_died_after_it(ledger: Ledger) -> None:
    run = add(ledger)
    for step in range(1, 3):
        for _ in range(MOST_LOSSES - 1):
            ledger.interrupt(claimed(ledger, run), "lost", "its process ended with code -11")
        ledger.progress(claimed(ledger, run), step, 100, 0.5, 60.0)
        ledger.take_over()
    assert ledger.run(run).state == "queued"


def test_workers_that_die_do_not_count_against_the_stage(ledger: Ledger) -> None:
    run = add(ledger)
    for _ in range(2 * MOST_LOSSES):
        claimed(ledger, run)
        ledger.take_over()
    assert ledger.run(run).state == "queued"


def test_a_failed_run_is_retried_from_where_it_failed(ledger: Ledger) -> None:
    run = add(ledger)
    ledger.finish(claimed(ledger, run), {})
    ledger.fail(claimed(ledger, run), "no base model")
    assert ledger.run(run).state == "failed"
    assert ledger.claim(run, "worker") is None
    ledger.retry(run)
    assert claimed(ledger, run).stage == "baseline"


def test_a_cancelled_run_is_never_claimed_and_stays_cancelled(ledger: Ledger) -> None:
    run = add(ledger)
    claim = claimed(ledger, run)
    ledger.cancel(run)
    ledger.interrupt(claim, "cancelled", "by its owner")
    assert ledger.run(run).state == "cancelled"
    assert ledger.claim(run, "worker") is None


def test_a_run_that_was_cancelled_and_retried_at_once_goes_on(ledger: Ledger) -> None:
    """Its child has not noticed, or ends only now."""
    run = add(ledger)
    claim = claimed(ledger, run)
    ledger.cancel(run)
    assert ledger.retry(run).state == "running"
    ledger.interrupt(claim, "stopped", "")
    assert ledger.run(run).state == "queued"
    assert claimed(ledger, run).stage == "prep"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (lambda ledger, run: ledger.retry(run), "only a failed or cancelled run"),
        (lambda ledger, run: ledger.cancel(run + 1), "there is no run 2"),
        (lambda ledger, run: ledger.rollback(), "nothing to roll back"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    ledger: Ledger, request_: object, message: str
) -> None:
    run = add(ledger)
    assert callable(request_)
    with pytest.raises(RequestError, match=message) as error:
        request_(ledger, run)
    assert "\n" not in str(error.value)


def test_now_comes_before_tonight_and_what_is_under_way_before_both(ledger: Ledger) -> None:
    tonight, now = add(ledger, timing="tonight"), add(ledger, timing="now")
    first = ledger.next_run()
    assert first and first.id == now
    claimed(ledger, tonight)
    under_way = ledger.next_run()
    assert under_way and under_way.id == tonight


def test_a_pause_ends_by_itself(tmp_path: Path) -> None:
    time = 1000.0
    with Ledger(tmp_path / "ledger.db", clock=lambda: time) as ledger:
        ledger.pause(until=1060.0)
        assert ledger.control().paused
        time = 1061.0
        assert not ledger.control().paused


def test_the_last_stage_promotes_in_the_same_breath_and_only_once(ledger: Ledger) -> None:
    run = add(ledger, goal="compare")
    for _ in STAGES[:-1]:
        ledger.finish(claimed(ledger, run), {})
    claim = claimed(ledger, run)
    ledger.finish(claim, {"reason": "better"}, promote=True)
    ledger.finish(claim, {"reason": "better"}, promote=True)
    ledger.promote(run)
    assert (ledger.run(run).state, ledger.promotions()) == ("done", [run])


def test_a_run_that_was_cancelled_in_its_last_stage_promotes_nothing(ledger: Ledger) -> None:
    run = add(ledger)
    for _ in STAGES[:-1]:
        ledger.finish(claimed(ledger, run), {})
    claim = claimed(ledger, run)
    ledger.cancel(run)
    ledger.finish(claim, {"reason": "better"}, promote=True)
    assert (ledger.run(run).state, ledger.promotions()) == ("cancelled", [])
    assert ledger.retry(run).state == "done", "nothing was left to do"


def test_a_new_ledger_takes_no_number_whose_results_are_on_disk(
    ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "runs/7").mkdir(parents=True)
    assert add(ledger) == 8


def test_rollback_goes_back_to_the_promotion_before(ledger: Ledger) -> None:
    first, second = add(ledger), add(ledger)
    ledger.promote(first)
    ledger.promote(second)
    assert ledger.promotions() == [first, second]
    assert ledger.rollback() == first
    assert ledger.rollback() is None


def test_the_log_holds_what_happened(ledger: Ledger) -> None:
    run = add(ledger)
    ledger.event(run, "prep", "warning", "警告: 1 note skipped")
    ledger.finish(claimed(ledger, run), {})
    messages = [event.message for event in ledger.events(run)]
    assert messages == ["run 1 queued up to compare", "警告: 1 note skipped", "prep done"]
    assert ledger.events(run, after=ledger.events(run)[-1].id) == []


def test_a_test_exposure_is_recorded_once_for_each_run_and_answerer(ledger: Ledger) -> None:
    one, two = add(ledger), add(ledger)
    for run in (one, one, two):
        ledger.record_exposure(run, Answerer.BASE, "d1", "t1")
        for seed in (None, 7, 8):
            ledger.record_exposure(run, Answerer.ADAPTER, "d1", "t1", seed=seed)
    for _ in range(2):
        ledger.record_exposure(two, Answerer.CHAMPION, "d1", "t1", model_run=one)
    exposures = ledger.exposures()
    assert [(e.run, e.answerer, e.seed, e.model_run) for e in exposures] == [
        (one, "base", None, None), (one, "adapter", None, None), (one, "adapter", 7, None),
        (one, "adapter", 8, None), (two, "base", None, None), (two, "adapter", None, None),
        (two, "adapter", 7, None), (two, "adapter", 8, None), (two, "champion", None, one),
    ]  # fmt: skip
    assert {(e.dataset, e.test) for e in exposures} == {("d1", "t1")}


def test_an_older_ledger_gets_the_newer_tables_and_keeps_its_runs(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "old.db") as db:
        db.executescript(MIGRATIONS[0])
        db.execute("PRAGMA user_version = 1")
        db.execute(
            "INSERT INTO runs (created, state, goal, timing, settings) "
            "VALUES (0, 'done', 'compare', 'now', '{}')"
        )
    with Ledger(tmp_path / "old.db") as ledger:
        assert [run.id for run in ledger.runs()] == [1]
        assert ledger.exposures() == []
        ledger.record_exposure(1, Answerer.BASE, "d", "t")


def test_a_ledger_that_another_process_holds_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ledger.db"
    with Ledger(file) as ledger:
        add(ledger)
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "db.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout and holder.stdout.readline().strip() == b"held"
    monkeypatch.setattr(store_module, "LOCKED_AFTER_S", 0.2)
    with Ledger(file) as ledger:
        with pytest.raises(LedgerError, match="another process has locked") as error:
            ledger.pause(None)
        assert "\n" not in str(error.value)
        assert len(ledger.runs()) == 1
    holder.communicate()
    with Ledger(file) as ledger:
        ledger.pause(None)


def test_a_newer_or_damaged_ledger_is_left_alone(tmp_path: Path) -> None:
    newer, damaged = tmp_path / "newer.db", tmp_path / "damaged.db"
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="newer nightschool"):
        Ledger(newer)
    damaged.write_bytes(b"no database" * 100)
    with pytest.raises(LedgerError, match="damaged"):
        Ledger(damaged)
    assert damaged.read_bytes() == b"no database" * 100


def test_the_time_worked_is_that_of_the_attempts_the_one_under_way_included(tmp_path: Path) -> None:
    now = 0.0
    with Ledger(tmp_path / "ledger.db", clock=lambda: now) as ledger:
        run = add(ledger)
        assert ledger.seconds(run) == 0
        prep = claimed(ledger, run)
        now = 3.0
        ledger.finish(prep, {})
        now = 100.0  # it waited
        baseline = claimed(ledger, run)
        now = 105.0
        ledger.interrupt(baseline, "paused", "paused by its owner")
        refused = claimed(ledger, run)
        now = 125.0
        ledger.interrupt(refused, "device_busy", "another process works on cuda")
        baseline = claimed(ledger, run)
        now = 5000.0  # the machine was off: nobody knows when it ended
        ledger.take_over()
        claimed(ledger, run)
        now = 5002.0
        assert (ledger.seconds(run), ledger.seconds(run, "baseline")) == (10.0, 7.0)
        assert ledger.seconds(add(ledger)) == 0


# Runs that are queued by themselves, and what they know


def test_a_run_queues_itself_only_where_none_is_open_and_says_why(ledger: Ledger) -> None:
    first = ledger.queue_retraining({"base": "demo"}, "23 new notes")
    assert first and (first.state, first.timing, first.goal) == ("queued", "tonight", STAGES[-1])
    assert first.reason == "queued automatically: 23 new notes"
    assert [event.message for event in ledger.events(first.id)] == [
        "run 1 queued up to compare", "queued automatically: 23 new notes",
    ]  # fmt: skip
    assert ledger.queue_retraining({}, "again") is None
    claimed(ledger, first.id)
    assert ledger.queue_retraining({}, "while it runs") is None
    ledger.cancel(first.id)
    assert ledger.queue_retraining({}, "later") is not None


def test_the_newest_run_that_read_notes_trained_on_them_or_ended(ledger: Ledger) -> None:
    assert ledger.newest_reader() is None
    only_prepared = add(ledger, goal="prep")
    ledger.finish(claimed(ledger, only_prepared), {})
    assert ledger.newest_reader() is None
    trained = add(ledger)
    for _ in range(3):
        assert ledger.newest_reader() is None
        ledger.finish(claimed(ledger, trained), {})
    assert ledger.newest_reader() == trained
    failed_at_once = add(ledger)
    ledger.fail(claimed(ledger, failed_at_once), "no notes")
    assert ledger.newest_reader() == trained
    failed_later = add(ledger)
    ledger.finish(claimed(ledger, failed_later), {})
    ledger.fail(claimed(ledger, failed_later), "no room")
    assert ledger.newest_reader() == failed_later


# Attempts


def test_attempts_tell_when_work_was_done_how_it_ended_and_how_far_it_came(tmp_path: Path) -> None:
    now = 100.0
    with Ledger(tmp_path / "ledger.db", clock=lambda: now) as ledger:
        run = add(ledger)
        ledger.finish(claimed(ledger, run), {})
        now = 200.0
        claim = claimed(ledger, run)
        ledger.progress(claim, 7, 20, 0.5, 60.0)
        now = 300.0
        ledger.interrupt(claim, "outside_window", "the window closed")
        now = 400.0
        claimed(ledger, run)
        found = ledger.attempts_of(run)
        assert [(a.stage, a.started, a.ended, a.outcome, a.reason) for a in found] == [
            ("prep", 100.0, 100.0, "finished", ""),
            ("baseline", 200.0, 300.0, "outside_window", "the window closed"),
            ("baseline", 400.0, None, None, None),
        ]
        assert [(a.first_step, a.last_step) for a in found] == [(0, None), (0, 7), (7, None)]
        assert ledger.attempts_of(run + 1) == []
        between = [(150, 199), (150, 201), (299, 300), (300, 400), (300, 401), (1e9, 2e9)]
        assert [[a.started for a in ledger.attempts_between(*times)] for times in between] == [
            [], [200], [200], [], [400], [400],
        ]  # fmt: skip


def test_work_whose_worker_died_ends_when_it_was_last_heard_of(tmp_path: Path) -> None:
    now = 100.0
    with Ledger(tmp_path / "ledger.db", clock=lambda: now) as ledger:
        run = add(ledger)
        claim = claimed(ledger, run)
        now = 160.0
        ledger.event(run, claim.stage, "choice", "precision = fp16")
        now = 90_000.0
        ledger.take_over()
        (found,) = ledger.attempts_of(run)
        assert (found.ended, found.outcome) == (160.0, "lost")
        assert ledger.attempts_between(200.0, 300.0) == []
        claimed(ledger, run)
        now = 180_000.0
        ledger.take_over()
        assert ledger.attempts_of(run)[1].ended == 90_000.0


def test_a_ledger_that_this_user_may_not_write_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(LedgerError, match="check whether the disk is full or read-only"):
        Ledger(tmp_path / "ledger.db")
    monkeypatch.setattr(store_module, "forbidden", lambda path: True)
    with pytest.raises(LedgerDenied, match=r"ledger.db cannot be written: .* make it yours"):
        Ledger(tmp_path / "ledger.db")
