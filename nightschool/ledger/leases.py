"""The ledger's table `leases`: who works on which stage, and how an attempt ends."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping

from nightschool.config.durations import format_duration
from nightschool.ledger.artifacts import Artifact, ArtifactTable
from nightschool.ledger.control import ControlTable
from nightschool.ledger.failures import MAX_FAILURES, retry_delay_s
from nightschool.ledger.outcomes import RETRIED, Outcome, Reason
from nightschool.ledger.prunings import PruningTable
from nightschool.ledger.records import (
    STAGES,
    Claim,
    EventKind,
    PromotedBy,
    RunState,
    StageName,
    StageState,
)
from nightschool.ledger.school_lock import here

_WORKER_DIED = "its worker ended unexpectedly"


class LeaseTable(ControlTable, PruningTable, ArtifactTable):
    """Claims stages and records progress and ends. A claim whose lease is gone changes nothing."""

    def claim(self, run: int, worker: str, expected: StageName | None = None) -> Claim | None:
        """Lease the next stage of a queued run; None if there is nothing to do, the run is leased or another
        stage than `expected` is next."""
        with self._transaction() as db:
            row = db.execute("SELECT state, goal FROM runs WHERE id = ?", (run,)).fetchone()
            if row is None or row["state"] != RunState.QUEUED:
                return None
            stage = self._next_stage(run, row["goal"])
            if stage is None or expected not in (None, stage):
                return None
            if db.execute("SELECT 1 FROM leases WHERE run = ?", (run,)).fetchone():
                return None
            added = db.execute(
                "INSERT INTO attempts (run, stage, worker, started, best_before) VALUES (?, ?, ?, ?, "
                "(SELECT coalesce(max(last_step), 0) FROM attempts WHERE run = ? AND stage = ?))",
                (run, stage, worker, self._clock(), run, stage),
            )
            claim = Claim(run, stage, added.lastrowid or 0)
            place = here(self._file.parent)
            db.execute(
                "INSERT INTO leases (run, stage, attempt, worker, host, boot) VALUES (?, ?, ?, ?, ?, ?)",
                (run, stage, claim.attempt, worker, place.host, place.boot),
            )
            self._set_stage(claim, StageState.RUNNING)
            # The log does not repeat this for every chunk.
            db.execute("UPDATE runs SET state = 'running', reason = '' WHERE id = ?", (run,))
            return claim

    def progress(
        self, claim: Claim, step: int, total_steps: int, loss: float | None, eta_s: float | None
    ) -> None:
        """Record how far a stage is; `status` shows it, a resume does not need it."""
        with self._transaction() as db:
            if not self._is_leased(claim):
                return
            db.execute(
                "UPDATE stages SET step = ?, total_steps = ?, loss = ?, eta_s = ? "
                "WHERE run = ? AND name = ?",
                (step, total_steps, loss, eta_s, claim.run, claim.stage),
            )
            db.execute("UPDATE attempts SET last_step = ? WHERE id = ?", (step, claim.attempt))

    def finish(
        self,
        claim: Claim,
        result: Mapping[str, object],
        *,
        promote: bool = False,
        artifacts: Iterable[Artifact] = (),
    ) -> None:
        """Record that a stage is done, and the files that it wrote; the run is done with its last stage.

        `result` is stored as JSON: its types belong to the stages. Its "reason", if the stage is the last
        one, becomes the run's. `promote` makes the run's model the champion, unless the run was cancelled.
        """
        with self._transaction() as db:
            if not self._is_leased(claim):
                return
            self._end(claim, Outcome.FINISHED, "")
            db.execute(
                "UPDATE stages SET state = 'done', result = ?, finished = ? WHERE run = ? AND name = ?",
                (json.dumps(result, ensure_ascii=False), self._clock(), claim.run, claim.stage),
            )
            self._write_artifacts(claim.run, claim.stage, artifacts)
            self._write_event(claim.run, claim.stage, EventKind.STATE, f"{claim.stage} done")
            run = self.run(claim.run)
            if run.state is RunState.CANCELLED:
                return
            if claim.stage == STAGES[-1]:
                self._set_run(claim.run, RunState.DONE, str(result.get("reason", "")))
                if promote:
                    self._write_promotion(claim.run, PromotedBy.COMPARISON)
            elif self._next_stage(claim.run, run.goal) is None:
                reason = f"{run.goal} is done, and no later stage was requested"
                self._set_run(claim.run, RunState.WAITING, reason)

    def interrupt(self, claim: Claim, outcome: Outcome | Reason, reason: str) -> None:
        """Record that an attempt ended before its stage was done; a later attempt continues it.

        After too many failures without progress the stage fails instead; see `failures.py`.
        """
        with self._transaction() as db:
            if not self._is_leased(claim):
                return
            self._end(claim, outcome, reason)
            failed = self.failures(claim.run) if outcome in RETRIED else None
            if failed and failed.count >= MAX_FAILURES:
                self._fail(
                    claim,
                    f"{reason} ({claim.stage} failed {failed.count} times without progress): "
                    f"see `nightschool log {claim.run}`, then `nightschool retry {claim.run}`",
                )
            else:
                db.execute(
                    "UPDATE runs SET reason = ? WHERE id = ? AND state = 'queued'",
                    (reason, claim.run),
                )

    def fail(self, claim: Claim, reason: str) -> None:
        """Record that a stage failed in a way that another attempt would not change."""
        with self._transaction():
            if not self._is_leased(claim):
                return
            self._end(claim, Outcome.FAILED, reason)
            self._fail(claim, reason)

    def take_over(self, last_seen: float | None = None) -> list[int]:
        """Release every lease: the caller holds the work lock and the school lock, so their workers are dead.

        `last_seen` is the last sign of life of the worker before; its decision is void from then on. Returns
        the runs that were under way.
        """
        with self._transaction() as db:
            leases = db.execute("SELECT * FROM leases").fetchall()
            claims = [Claim(row["run"], StageName(row["stage"]), row["attempt"]) for row in leases]
            for claim, lease in zip(claims, leases, strict=True):
                self._end(claim, Outcome.LOST, self._how_it_died(lease), worker_died=True)
            last = self.decisions(1)
            if last_seen is not None and last and last[0].reason is not Reason.NO_WORKER:
                self._write_decision(None, False, Reason.NO_WORKER, "", self._in_order(last_seen))
            self._write_decision(None, False, Reason.NO_WORKER, "")
            return [claim.run for claim in claims]

    def at_work(self) -> bool:
        """Whether an attempt is under way, even of a run that was cancelled."""
        return bool(self._rows("SELECT 1 FROM leases"))

    def _how_it_died(self, lease: sqlite3.Row) -> str:
        place = here(self._file.parent)
        if lease["host"] not in ("", place.host):
            return f"{_WORKER_DIED}, on {lease['host']}"
        restarted = lease["boot"] and place.boot and lease["boot"] != place.boot
        return f"{_WORKER_DIED}: the computer restarted" if restarted else _WORKER_DIED

    def _is_leased(self, claim: Claim) -> bool:
        """Whether the claim's lease still holds; without it, its end is recorded already."""
        query = "SELECT 1 FROM leases WHERE attempt = ?"
        return self._db.execute(query, (claim.attempt,)).fetchone() is not None

    def _set_stage(self, claim: Claim, state: StageState) -> None:
        self._db.execute(
            "UPDATE stages SET state = ? WHERE run = ? AND name = ?",
            (state, claim.run, claim.stage),
        )

    def _end(
        self, claim: Claim, outcome: Outcome | Reason, reason: str, *, worker_died: bool = False
    ) -> None:
        """Release the lease and record the attempt's end; stage and run wait for the next attempt."""
        db = self._db
        now = self._clock()
        db.execute("DELETE FROM leases WHERE attempt = ?", (claim.attempt,))
        # An attempt that the computer slept through has its end already: see `slept`.
        db.execute(
            "UPDATE attempts SET ended = coalesce(ended, ?), outcome = ?, reason = ?, worker_died = ? "
            "WHERE id = ?",
            (now, outcome, reason, int(worker_died), claim.attempt),
        )
        if worker_died:  # it ended when the worker last wrote to the run's log, as far as is known
            db.execute(
                "UPDATE attempts SET ended = coalesce((SELECT max(at) FROM events e WHERE "
                "e.run = attempts.run AND at >= attempts.started AND at < attempts.ended), started) "
                "WHERE id = ?",
                (claim.attempt,),
            )
        db.execute(
            "UPDATE stages SET state = 'waiting', eta_s = NULL WHERE run = ? AND name = ?",
            (claim.run, claim.stage),
        )
        db.execute(
            "UPDATE runs SET state = 'queued' WHERE id = ? AND state = 'running'", (claim.run,)
        )
        if outcome not in (Outcome.FINISHED, Outcome.FAILED):  # these have an event of their own
            text = f"{claim.stage}: {outcome.replace('_', ' ')}" + (
                f" ({reason})" if reason else ""
            )
            failed = self.failures(claim.run) if outcome in RETRIED and not worker_died else None
            if failed and failed.count < MAX_FAILURES:
                delay = format_duration(retry_delay_s(failed.count))
                text += f"; attempt {failed.count + 1} of {MAX_FAILURES} follows after {delay}"
            kind = EventKind.WARNING if failed else EventKind.STATE
            self._write_event(claim.run, claim.stage, kind, text)

    def _fail(self, claim: Claim, reason: str) -> None:
        self._set_stage(claim, StageState.FAILED)
        if self.run(claim.run).state is not RunState.CANCELLED:
            self._set_run(claim.run, RunState.FAILED, reason, EventKind.ERROR)
