"""The ledger: runs, their stages, attempts, leases and events. The one record of what is to be done.

Every method is one transaction. A `Ledger` belongs to the thread that opened it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Container, Mapping
from typing import Any

from nightschool.config.errors import RequestError
from nightschool.ledger.control import ControlTable
from nightschool.ledger.outcomes import FRUITLESS, LOSSES, Outcome, Reason, parse
from nightschool.ledger.records import (
    STAGES,
    Attempt,
    Claim,
    Event,
    EventKind,
    PromotedBy,
    Run,
    RunState,
    Stage,
    TestExposure,
    Timing,
    attempt_of,
    event_of,
    run_of,
    stage_of,
)

# A stage fails when its process dies this often in a row without a single step; three times as often
# where it took steps without coming further than before, or was killed from outside, which says little
# of the stage (a run that is killed again and again still gets on).
MOST_LOSSES = 3
_WORKER_DIED = "the worker ended without a word"


class Ledger(ControlTable):
    """An open ledger. Use it as a context manager, one in each thread."""

    # Runs

    def add_run(self, settings: Mapping[str, Any], goal: str, timing: Timing) -> Run:
        """Queue a new run up to the stage `goal`."""
        with self._transaction():
            run = self._write_run(settings, goal, timing)
        return self.run(run)

    def queue_by_itself(self, settings: Mapping[str, Any], why: str) -> Run | None:
        """Queue a whole run for the night, with the reason in its log; None where a run is open."""
        with self._transaction() as db:
            if self.next_run() is not None:
                return None
            run = self._write_run(settings, STAGES[-1], Timing.TONIGHT)
            reason = f"queued by itself: {why}"
            db.execute("UPDATE runs SET reason = ? WHERE id = ?", (reason, run))
            self._write_event(run, None, EventKind.STATE, reason)
        return self.run(run)

    def _write_run(self, settings: Mapping[str, Any], goal: str, timing: Timing) -> int:
        run = self._next_number()
        self._db.execute(
            "INSERT INTO runs (id, created, state, goal, timing, settings) "
            "VALUES (?, ?, 'queued', ?, ?, ?)",
            (run, self._clock(), goal, timing, json.dumps(settings, ensure_ascii=False)),
        )
        self._db.executemany(
            "INSERT INTO stages (run, name, position, state) VALUES (?, ?, ?, 'waiting')",
            [(run, name, position) for position, name in enumerate(STAGES)],
        )
        self._write_event(run, None, EventKind.STATE, f"run {run} queued up to {goal}")
        return run

    def _next_number(self) -> int:
        """Above every run in the ledger and every folder of one: a new ledger reuses no old result."""
        row = self._db.execute("SELECT coalesce(max(id), 0) FROM runs").fetchone()
        folders = (self._file.parent / "runs").glob("*")
        return 1 + max([int(row[0]), *(int(f.name) for f in folders if f.name.isdecimal())])

    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        return [run_of(row) for row in self._rows("SELECT * FROM runs ORDER BY id")]

    def run(self, run: int) -> Run:
        rows = self._rows("SELECT * FROM runs WHERE id = ?", run)
        if not rows:
            raise RequestError(f"there is no run {run}: `nightschool status` lists them")
        return run_of(rows[0])

    def newest_run(self) -> Run | None:
        rows = self._rows("SELECT * FROM runs ORDER BY id DESC LIMIT 1")
        return run_of(rows[0]) if rows else None

    def newest_reader(self) -> int | None:
        """The newest run that froze its notes and trained on them, or ended before it could.

        A run that its owner took no further than prep has learnt from nothing.
        """
        ((run,),) = self._rows(
            "SELECT max(runs.id) FROM runs "
            "JOIN stages prep ON prep.run = runs.id AND prep.name = 'prep' AND prep.state = 'done' "
            "JOIN stages train ON train.run = runs.id AND train.name = 'train' "
            "WHERE train.state = 'done' OR runs.state IN ('done', 'failed', 'cancelled')"
        )
        return run if run is None else int(run)

    def next_run(self) -> Run | None:
        """The run to work on: one that is under way, else the oldest queued, `now` before `tonight`."""
        rows = self._rows(
            "SELECT * FROM runs WHERE state IN ('queued', 'running') "
            "ORDER BY state = 'running' DESC, timing = 'now' DESC, id LIMIT 1"
        )
        return run_of(rows[0]) if rows else None

    def stages(self, run: int) -> list[Stage]:
        return [
            stage_of(row)
            for row in self._rows("SELECT * FROM stages WHERE run = ? ORDER BY position", run)
        ]

    def stage(self, run: int, name: str) -> Stage:
        return next(stage for stage in self.stages(run) if stage.name == name)

    def seconds(self, run: int, stage: str | None = None) -> float:
        """The time that was worked on a run, or on one stage of it; what is under way counts so far.

        Fruitless attempts are left out.
        """
        now = self._clock()
        return sum(
            (now if one.ended is None else one.ended) - one.started
            for one in self.attempts_of(run)
            if stage in (None, one.stage) and one.outcome not in FRUITLESS
        )

    def attempts(self, since: float) -> list[Attempt]:
        """Those that ended after `since` or have not ended, of the newest thousand; oldest first."""
        newest = "id > (SELECT max(id) FROM attempts) - 1000"
        return self._attempts(f"{newest} AND (ended IS NULL OR ended > ?)", since)

    def attempts_of(self, run: int) -> list[Attempt]:
        """All work on a run, oldest first."""
        return self._attempts("run = ?", run)

    def attempts_between(self, start: float, end: float) -> list[Attempt]:
        """The work of all runs that lies wholly or partly between two moments, oldest first."""
        return self._attempts("started < ? AND (ended IS NULL OR ended > ?)", end, start)

    def _attempts(self, which: str, *values: float) -> list[Attempt]:
        # When a worker died is known as nearly as it last spoke.
        heard = "SELECT max(at) FROM events e WHERE e.run = a.run AND at >= started AND at < ended"
        ended = f"CASE WHEN reason = ? THEN coalesce(({heard}), started) ELSE ended END"
        rows = self._rows(
            f"SELECT * FROM (SELECT a.*, {ended} AS over FROM attempts a) "
            f"WHERE {which.replace('ended', 'over')} ORDER BY id",
            _WORKER_DIED,
            *values,
        )
        return [attempt_of(row) for row in rows]

    def want(self, run: int, goal: str, timing: Timing) -> Run:
        """Raise a run's goal to `goal` and queue it again where that leaves work to be done."""
        with self._transaction() as db:
            row = db.execute("SELECT * FROM runs WHERE id = ?", (run,)).fetchone()
            higher = max(row["goal"], goal, key=STAGES.index)
            db.execute("UPDATE runs SET goal = ?, timing = ? WHERE id = ?", (higher, timing, run))
            if row["state"] == "waiting" and self._next_stage(run, higher):
                self._set_run(run, RunState.QUEUED, "")
        return self.run(run)

    def cancel(self, run: int) -> Run:
        """End a run for good; a child at work on it is stopped by its worker."""
        with self._transaction():
            state = self.run(run).state
            if state in ("done", "cancelled"):
                raise RequestError(f"run {run} is {state} already: there is nothing to cancel")
            self._set_run(run, RunState.CANCELLED, "by its owner")
        return self.run(run)

    def retry(self, run: int) -> Run:
        """Queue a failed or cancelled run again, from the stage where it ended."""
        with self._transaction() as db:
            current = self.run(run)
            if current.state not in ("failed", "cancelled"):
                raise RequestError(
                    f"run {run} is {current.state}: only a failed or cancelled run can be retried"
                )
            db.execute(
                "UPDATE stages SET state = 'waiting' WHERE run = ? AND state = 'failed'", (run,)
            )
            db.execute(
                "UPDATE attempts SET outcome = 'stopped' WHERE run = ? AND outcome IN (?, ?)",
                (run, *LOSSES),
            )
            if self._next_stage(run, current.goal):
                self._set_run(run, RunState.QUEUED, "")
                # A child that has not noticed that it was cancelled goes on.
                db.execute(
                    "UPDATE runs SET state = 'running' WHERE id = ? AND id IN (SELECT run FROM leases)",
                    (run,),
                )
            else:
                self._set_run(
                    run,
                    RunState.DONE if current.goal == STAGES[-1] else RunState.WAITING,
                    "nothing is left to do",
                )
        return self.run(run)

    # Work

    def take_over(self, heard: float | None = None) -> list[int]:
        """Release every lease: the caller holds the work lock, so their workers are dead.

        `heard` is when the worker before was last known to live: what it had decided holds no longer.
        Returns the runs that were under way.
        """
        with self._transaction() as db:
            claims = [
                Claim(row["run"], row["stage"], row["attempt"])
                for row in db.execute("SELECT run, stage, attempt FROM leases").fetchall()
            ]
            for claim in claims:
                self._end(claim, Outcome.LOST, _WORKER_DIED)
            last = self.decisions(1)
            if heard is not None and last and last[0].reason != Reason.NO_WORKER:
                self._write_decision(None, False, Reason.NO_WORKER, "", self._in_order(heard))
            self._write_decision(None, False, Reason.NO_WORKER, "")
        return [claim.run for claim in claims]

    def slept(self, since: float, detail: str, also_asleep: Container[Reason]) -> None:
        """Record that the computer slept from `since` on, which is known only now that it is awake.

        What worked did so until then. What was decided before was not the reason any more, but for what
        holds `also_asleep`; a pause does until its end.
        """
        now = self._clock()
        with self._transaction() as db:
            since = self._in_order(since)
            db.execute(
                "UPDATE attempts SET ended = max(started, ?) WHERE id IN (SELECT attempt FROM leases) "
                "OR (started < ? AND ended > ? AND ended <= ?)",
                (since, since, since, now),
            )
            (control,) = self._rows("SELECT * FROM control")
            reason, until = parse(Reason, control["decision_reason"]), control["paused_until"]
            pause_over = reason is Reason.PAUSED and until is not None and until < now
            if pause_over:
                since = max(since, until)
            if control["decision_run"] is not None and (pause_over or reason not in also_asleep):
                self._write_decision(control["decision_run"], False, Reason.WOKE, detail, since)

    def claim(self, run: int, worker: str) -> Claim | None:
        """Lease the next stage of a run, or None where there is nothing to do or it is leased."""
        with self._transaction() as db:
            row = db.execute("SELECT * FROM runs WHERE id = ?", (run,)).fetchone()
            if row is None or row["state"] != "queued":
                return None
            stage = self._next_stage(run, row["goal"])
            if stage is None or db.execute("SELECT 1 FROM leases WHERE run = ?", (run,)).fetchone():
                return None
            attempt = int(
                db.execute(
                    "INSERT INTO attempts (run, stage, worker, started, best_before) VALUES (?, ?, ?, ?, "
                    "(SELECT coalesce(max(last_step), 0) FROM attempts WHERE run = ? AND stage = ?))",
                    (run, stage["name"], worker, self._clock(), run, stage["name"]),
                ).lastrowid
                or 0
            )
            db.execute(
                "INSERT INTO leases VALUES (?, ?, ?, ?)", (run, stage["name"], attempt, worker)
            )
            db.execute(
                "UPDATE stages SET state = 'running' WHERE run = ? AND name = ?",
                (run, stage["name"]),
            )
            self._set_run(run, RunState.RUNNING, "", event=False)
        return Claim(run, str(stage["name"]), attempt)

    def progress(
        self, claim: Claim, step: int, total_steps: int, loss: float | None, eta_s: float | None
    ) -> None:
        """Record how far a stage is; shown by `status`, not needed for a resume."""
        with self._transaction() as db:
            db.execute(
                "UPDATE stages SET step = ?, total_steps = ?, loss = ?, eta_s = ? "
                "WHERE run = ? AND name = ?",
                (step, total_steps, loss, eta_s, claim.run, claim.stage),
            )
            db.execute("UPDATE attempts SET last_step = ? WHERE id = ?", (step, claim.attempt))

    def finish(self, claim: Claim, result: Mapping[str, Any], *, promote: bool = False) -> None:
        """Record that a stage is done; the run is done with its last stage.

        `promote` makes the run's model the one in use, unless the run was cancelled meanwhile.
        Nothing happens where the claim has no lease any more: it was recorded already.
        """
        with self._transaction() as db:
            if not db.execute(
                "SELECT 1 FROM leases WHERE attempt = ?", (claim.attempt,)
            ).fetchone():
                return
            self._end(claim, Outcome.FINISHED, "")
            db.execute(
                "UPDATE stages SET state = 'done', result = ?, finished = ?, eta_s = NULL "
                "WHERE run = ? AND name = ?",
                (json.dumps(result, ensure_ascii=False), self._clock(), claim.run, claim.stage),
            )
            self._write_event(claim.run, claim.stage, EventKind.STATE, f"{claim.stage} done")
            run = self.run(claim.run)
            if run.state == "cancelled":
                return
            if claim.stage == STAGES[-1]:
                self._set_run(claim.run, RunState.DONE, str(result.get("reason", "")))
                if promote:
                    self._write_promotion(claim.run, PromotedBy.COMPARISON)
            elif self._next_stage(claim.run, run.goal) is None:
                self._set_run(
                    claim.run, RunState.WAITING, f"{run.goal} is done; no later stage was asked for"
                )

    def interrupt(self, claim: Claim, outcome: Outcome | Reason, reason: str) -> None:
        """Record that a stage ended before it was finished, and will go on later.

        A stage that was `lost` or `killed` too often without progress fails instead; see MOST_LOSSES.
        """
        with self._transaction() as db:
            self._end(claim, outcome, reason)
            if outcome in LOSSES and self._losses(claim) > MOST_LOSSES - 0.01:
                self._fail(
                    claim,
                    f"{claim.stage} ended again and again without getting on ({reason}): "
                    f"see `nightschool log {claim.run}`, then `nightschool retry {claim.run}`",
                )
            elif (
                db.execute("SELECT state FROM runs WHERE id = ?", (claim.run,)).fetchone()[0]
                == "queued"
            ):
                db.execute("UPDATE runs SET reason = ? WHERE id = ?", (reason, claim.run))

    def fail(self, claim: Claim, reason: str) -> None:
        """Record that a stage failed in a way that trying again would not change."""
        with self._transaction():
            self._end(claim, Outcome.FAILED, reason)
            self._fail(claim, reason)

    def _fail(self, claim: Claim, reason: str) -> None:
        self._db.execute(
            "UPDATE stages SET state = 'failed' WHERE run = ? AND name = ?",
            (claim.run, claim.stage),
        )
        if self.run(claim.run).state != "cancelled":
            self._set_run(claim.run, RunState.FAILED, reason, kind=EventKind.ERROR)

    def _end(self, claim: Claim, outcome: Outcome | Reason, reason: str) -> None:
        db = self._db
        db.execute("DELETE FROM leases WHERE attempt = ?", (claim.attempt,))
        db.execute(  # what the computer slept through has its end already, see `slept`
            "UPDATE attempts SET ended = coalesce(ended, ?), outcome = ?, reason = ? WHERE id = ?",
            (self._clock(), outcome, reason, claim.attempt),
        )
        db.execute(
            "UPDATE stages SET state = 'waiting', eta_s = NULL WHERE run = ? AND name = ?",
            (claim.run, claim.stage),
        )
        db.execute(
            "UPDATE runs SET state = 'queued' WHERE id = ? AND state = 'running'", (claim.run,)
        )
        if outcome not in (Outcome.FINISHED, Outcome.FAILED):  # these two have a line of their own
            how = outcome.replace("_", " ")
            text = f"{claim.stage}: {how}" + (f" ({reason})" if reason else "")
            self._write_event(claim.run, claim.stage, EventKind.STATE, text)

    def _losses(self, claim: Claim) -> float:
        """How many of the newest attempts in a row were lost without getting on; see MOST_LOSSES."""
        rows = self._db.execute(
            "SELECT outcome, reason, best_before, last_step FROM attempts "
            "WHERE run = ? AND stage = ? ORDER BY id DESC",
            (claim.run, claim.stage),
        ).fetchall()
        count = 0.0
        for row in rows:
            if row["outcome"] not in LOSSES or (row["last_step"] or 0) > row["best_before"]:
                break
            if row["reason"] != _WORKER_DIED:
                alone = row["outcome"] == "lost" and row["last_step"] is None
                count += 1 if alone else 1 / 3
        return count

    def _next_stage(self, run: int, goal: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(
            "SELECT * FROM stages WHERE run = ? AND state != 'done' AND position <= ? "
            "ORDER BY position LIMIT 1",
            (run, STAGES.index(goal)),
        ).fetchone()
        return row

    def _set_run(
        self,
        run: int,
        state: RunState,
        reason: str,
        *,
        event: bool = True,
        kind: EventKind = EventKind.STATE,
    ) -> None:
        self._db.execute("UPDATE runs SET state = ?, reason = ? WHERE id = ?", (state, reason, run))
        if event:
            self._write_event(
                run, None, kind, f"run {run} {state}" + (f": {reason}" if reason else "")
            )

    # Events

    def event(self, run: int, stage: str | None, kind: EventKind, message: str) -> None:
        """Add a line to a run's log."""
        with self._transaction():
            self._write_event(run, stage, kind, message)

    def _write_event(self, run: int, stage: str | None, kind: EventKind, message: str) -> None:
        self._db.execute(
            "INSERT INTO events (at, run, stage, kind, message) VALUES (?, ?, ?, ?, ?)",
            (self._clock(), run, stage, kind, message),
        )

    def events(self, run: int, after: int = 0) -> list[Event]:
        """A run's log lines with an id above `after`, oldest first."""
        rows = self._rows("SELECT * FROM events WHERE run = ? AND id > ? ORDER BY id", run, after)
        return [event_of(row) for row in rows]

    # Looks at the test notes

    def record_exposure(self, run: int, what: str, dataset: str, test: str) -> None:
        """Record that `what` answered the test notes of a dataset; once for each run and answerer."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO looks (at, run, what, dataset, test) VALUES (?, ?, ?, ?, ?)",
                (self._clock(), run, what, dataset, test),
            )

    def exposures(self) -> list[TestExposure]:
        """Every look at test notes, oldest first."""
        rows = self._rows("SELECT at, run, what, dataset, test FROM looks ORDER BY id")
        return [TestExposure(*row) for row in rows]

    # Models

    def promote(self, run: int) -> None:
        """Make a run's adapter the one that `classify` uses, because its owner says so."""
        with self._transaction():
            if self.promotions()[-1:] != [run]:
                self._write_promotion(run, PromotedBy.OWNER)

    def _write_promotion(self, run: int, by: PromotedBy) -> None:
        self._db.execute(
            "INSERT INTO promotions (run, at, by) VALUES (?, ?, ?)", (run, self._clock(), by)
        )
        self._write_event(run, None, EventKind.STATE, f"run {run} promoted by {by}")

    def rollback(self) -> int | None:
        """Take the newest promotion back; returns the run in use after it, or None."""
        promotions = self.promotions()
        if not promotions:
            raise RequestError("no model was promoted yet: there is nothing to roll back")
        with self._transaction() as db:
            db.execute("DELETE FROM promotions WHERE id = (SELECT max(id) FROM promotions)")
            self._write_event(
                promotions[-1], None, EventKind.STATE, f"run {promotions[-1]} rolled back"
            )
        return promotions[-2] if len(promotions) > 1 else None

    def promotions(self) -> list[int]:
        """The runs that were promoted, oldest first; the last one is in use."""
        return [int(row["run"]) for row in self._rows("SELECT run FROM promotions ORDER BY id")]
