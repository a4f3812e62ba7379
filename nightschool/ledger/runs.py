"""The ledger's tables `runs` and `stages`: what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping

from nightschool.config.errors import RequestError
from nightschool.ledger.attempts import AttemptTable
from nightschool.ledger.events import EventTable
from nightschool.ledger.lost import runs_beside
from nightschool.ledger.outcomes import RETRIED
from nightschool.ledger.records import (
    STAGES,
    EventKind,
    Run,
    RunState,
    Stage,
    StageName,
    StageState,
    Timing,
    run_of,
    stage_of,
)


class RunTable(EventTable, AttemptTable):
    """Queues, lists, cancels and retries runs."""

    def add_run(self, settings: Mapping[str, object], goal: StageName, timing: Timing) -> Run:
        """Queue a new run up to the stage `goal`. `settings` are stored as JSON."""
        with self._transaction():
            return self.run(self._write_run(settings, goal, timing))

    def queue_retraining(self, settings: Mapping[str, object], why: str) -> Run | None:
        """Queue a whole run for the night and log why; None if another run is open."""
        with self._transaction() as db:
            if self.next_run() is not None:
                return None
            run = self._write_run(settings, STAGES[-1], Timing.TONIGHT)
            reason = f"queued automatically: {why}"
            db.execute("UPDATE runs SET reason = ? WHERE id = ?", (reason, run))
            self._write_event(run, None, EventKind.STATE, reason)
            return self.run(run)

    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        return [run_of(row) for row in self._rows("SELECT * FROM runs ORDER BY id")]

    def count_runs(self) -> int:
        ((count,),) = self._rows("SELECT count(*) FROM runs")
        return int(count)

    def newest_runs(self, newest: int, *also: int) -> list[Run]:
        """The newest runs, those that are open, and those with the numbers in `also`; oldest first."""
        numbers = ", ".join("?" for _ in also)
        rows = self._rows(
            "SELECT * FROM runs WHERE id IN (SELECT id FROM (SELECT id FROM runs ORDER BY id DESC LIMIT ?) "
            "UNION SELECT id FROM runs WHERE state IN ('queued', 'running') "
            f"UNION SELECT id FROM runs WHERE id IN ({numbers})) ORDER BY id",
            newest, *also,
        )  # fmt: skip
        return [run_of(row) for row in rows]

    def open_runs(self) -> list[Run]:
        """The runs with work to do, oldest first."""
        return self.newest_runs(0)

    def run_numbers(self) -> list[int]:
        """The numbers of all runs, newest first."""
        return [int(row["id"]) for row in self._rows("SELECT id FROM runs ORDER BY id DESC")]

    def run(self, run: int) -> Run:
        """One run. Raises RequestError if it does not exist."""
        rows = self._rows("SELECT * FROM runs WHERE id = ?", run)
        if not rows:
            if run in runs_beside(self._file):
                raise RequestError(
                    f"the ledger does not know run {run}, whose files are there",
                    "`nightschool repair` adds it",
                )
            raise RequestError(f"there is no run {run}", "`nightschool status` lists the runs")
        return run_of(rows[0])

    def newest_run(self, state: RunState | None = None) -> Run | None:
        """The newest run, of those in one state if that is given."""
        rows = self._rows(
            "SELECT * FROM runs WHERE ? IN (state, '') ORDER BY id DESC LIMIT 1", state or ""
        )
        return run_of(rows[0]) if rows else None

    def newest_run_with_notes(self) -> int | None:
        """The newest run that froze its notes, and either trained on them or ended before it could.

        A run that was requested only up to prep does not count: no model has learnt from its notes.
        """
        ((run,),) = self._rows(
            "SELECT max(runs.id) FROM runs "
            "JOIN stages prep ON prep.run = runs.id AND prep.name = 'prep' AND prep.state = 'done' "
            "JOIN stages train ON train.run = runs.id AND train.name = 'train' "
            "WHERE train.state = 'done' OR runs.state IN ('done', 'failed', 'cancelled')"
        )
        return run if run is None else int(run)

    def next_run(self) -> Run | None:
        """The run to work on: the one under way, else the oldest queued, `now` before `tonight`.

        A run that waits because its last attempt failed comes after the others.
        """
        rows = self._rows(
            "SELECT * FROM runs WHERE state IN ('queued', 'running') "
            "ORDER BY state = 'running' DESC, timing = 'now' DESC, id"
        )
        now = self._clock()
        for row in rows:
            failed = self.failures(row["id"])
            if row["state"] == RunState.RUNNING or not (failed and failed.is_waiting(now)):
                return run_of(row)
        return run_of(rows[0]) if rows else None

    def next_retry(self) -> float | None:
        """When the first of the runs that wait after an error may be tried again; None if none waits."""
        rows = self._rows("SELECT id FROM runs WHERE state = 'queued'")
        failed = [self.failures(row["id"]) for row in rows]
        now = self._clock()
        return min((one.retry_at for one in failed if one and one.is_waiting(now)), default=None)

    def has_given_up(self, run: int) -> bool:
        """Whether a run failed because of errors that may have passed since."""
        if self.run(run).state is not RunState.FAILED:
            return False
        attempts = self.attempts_of(run)
        return bool(attempts) and attempts[-1].outcome in RETRIED

    def due_stage(self, run: int) -> StageName | None:
        """The next stage of a queued run; None if the run is at work or closed, or does not exist."""
        rows = self._rows("SELECT goal FROM runs WHERE id = ? AND state = 'queued'", run)
        return self._next_stage(run, rows[0]["goal"]) if rows else None

    def stages(self, run: int) -> list[Stage]:
        """The stages of a run, in order; empty if there is no such run."""
        rows = self._rows("SELECT * FROM stages WHERE run = ? ORDER BY position", run)
        return [stage_of(row) for row in rows]

    def stage(self, run: int, name: StageName) -> Stage:
        """One stage of a run. Raises RequestError if there is no such run."""
        self.run(run)
        return next(stage for stage in self.stages(run) if stage.name == name)

    def raise_goal(self, run: int, goal: StageName, timing: Timing) -> Run:
        """Raise a run's goal to `goal`, and queue the run again if that leaves work to do.

        A goal is never lowered. Raises RequestError if there is no such run.
        """
        with self._transaction() as db:
            current = self.run(run)
            higher = max(current.goal, goal, key=STAGES.index)
            db.execute("UPDATE runs SET goal = ?, timing = ? WHERE id = ?", (higher, timing, run))
            if current.open and timing is not current.timing:
                text = f"run {run} was to work {current.timing}; by your request it works {timing}"
                self._write_event(run, None, EventKind.STATE, text)
            if current.state is RunState.WAITING and self._next_stage(run, higher):
                self._set_run(run, RunState.QUEUED, "")
            return self.run(run)

    def cancel(self, run: int) -> Run:
        """Cancel a run; its worker stops the child that works on it. Raises RequestError if it has ended."""
        with self._transaction():
            state = self.run(run).state
            if state in (RunState.DONE, RunState.CANCELLED):
                raise RequestError(f"run {run} is already {state}", "there is nothing to cancel")
            self._set_run(run, RunState.CANCELLED, "by you")
            return self.run(run)

    def retry(self, run: int) -> Run:
        """Queue a failed or cancelled run again, from the stage where it ended.

        Past attempts keep their outcomes, but their failures no longer count, so that a run that waits after
        one is tried at once. Raises RequestError if there is nothing to retry.
        """
        with self._transaction() as db:
            current = self.run(run)
            waits = current.state is RunState.QUEUED and self.failures(run)
            if not waits and current.state not in (RunState.FAILED, RunState.CANCELLED):
                raise RequestError(
                    f"run {run} is {current.state}", "only a failed or cancelled run can be retried"
                )
            db.execute(
                "UPDATE stages SET state = ? WHERE run = ? AND state = ?",
                (StageState.WAITING, run, StageState.FAILED),
            )
            db.execute(
                "UPDATE stages SET retried_after = coalesce((SELECT max(id) FROM attempts a "
                "WHERE a.run = stages.run AND a.stage = stages.name AND outcome IN (?, ?, ?)), 0) "
                "WHERE run = ?",
                (*RETRIED, run),
            )
            if self._next_stage(run, current.goal):
                self._set_run(run, RunState.QUEUED, "")
                # A child that has not yet noticed the cancellation continues.
                db.execute(
                    "UPDATE runs SET state = 'running' WHERE id = ? AND id IN (SELECT run FROM leases)",
                    (run,),
                )
            else:
                whole = current.goal == STAGES[-1]
                state = RunState.DONE if whole else RunState.WAITING
                self._set_run(run, state, "there is nothing left to do")
            return self.run(run)

    def _write_run(self, settings: Mapping[str, object], goal: StageName, timing: Timing) -> int:
        run = self._next_number()
        self._db.execute(
            "INSERT INTO runs (id, created, state, goal, timing, settings) VALUES (?, ?, ?, ?, ?, ?)",
            (run, self._clock(), RunState.QUEUED, goal, timing,
             json.dumps(settings, ensure_ascii=False)),
        )  # fmt: skip
        self._db.executemany(
            "INSERT INTO stages (run, name, position, state) VALUES (?, ?, ?, ?)",
            [(run, name, place, StageState.WAITING) for place, name in enumerate(STAGES)],
        )
        self._write_event(run, None, EventKind.STATE, f"run {run} queued (goal: {goal})")
        return run

    def _next_number(self) -> int:
        """Greater than every run in the ledger or with files, so that no old result is reused."""
        row = self._db.execute("SELECT coalesce(max(id), 0) FROM runs").fetchone()
        return 1 + max([int(row[0]), *runs_beside(self._file)])

    def _next_stage(self, run: int, goal: StageName) -> StageName | None:
        """The first stage up to the goal that is not done."""
        row = self._db.execute(
            "SELECT name FROM stages WHERE run = ? AND state != 'done' AND position <= ? "
            "ORDER BY position LIMIT 1",
            (run, STAGES.index(StageName(goal))),
        ).fetchone()
        return StageName(row["name"]) if row else None

    def _set_run(
        self, run: int, state: RunState, reason: str, kind: EventKind = EventKind.STATE
    ) -> None:
        """Change a run's state, and log it."""
        self._db.execute("UPDATE runs SET state = ?, reason = ? WHERE id = ?", (state, reason, run))
        self._write_event(run, None, kind, f"run {run} {state}" + (f": {reason}" if reason else ""))
