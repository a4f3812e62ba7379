"""The runner: what a worker does with a message of its queue."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from nightschool.config.errors import LedgerError, RequestError
from nightschool.config.files import no_room
from nightschool.config.paths import School
from nightschool.config.recent_problems import RecentProblems
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import Claim, RunState, StageName
from nightschool.tasks.attempt import CANCELLED, StageAttempt, StopRequest
from nightschool.tasks.persistent_writes import Write, write_persistently

_log = logging.getLogger(__name__)


class Runner:
    """Performs the stages of one worker, one attempt at a time."""

    def __init__(
        self, school: School, worker: str, veto: Callable[[], StopRequest | None] = lambda: None
    ) -> None:
        """`veto` returns why nothing may run now, even if a full disk keeps that out of the ledger."""
        self._school = school
        self._worker = worker
        self._veto = veto
        self._problems = RecentProblems()
        self.stopping = threading.Event()
        """Set it to stop the child at its next step border."""
        self.gone_by: float | None = None
        """When, by the monotonic clock, the child must be gone because the computer is about to sleep."""
        self.child: int | None = None
        """The process id of the child at work."""

    def perform(self, run: int, stage: StageName) -> bool:
        """Perform a stage of a run, or a chunk of it; returns whether more of the run can follow now.

        Does nothing if the ledger says that another stage is next, the run is at work or closed, or the
        policy does not allow it.
        """
        try:
            with Ledger(self._school.ledger_file) as ledger:
                claim = self._claim(ledger, run, stage)
                return claim is not None and self._attempt(ledger, claim)
        except (LedgerError, RequestError) as error:
            # Held by another program, perhaps; the scheduler enqueues the stage again.
            if self._problems.is_new(str(error)):
                _log.warning("%s", error)
            return False

    def _attempt(self, ledger: Ledger, claim: Claim) -> bool:
        """Perform a claimed stage, and record how that ended."""
        try:
            attempt = StageAttempt(self._school, ledger, claim, self._write_persistently)
            self.child = attempt.child.pid
            return attempt.perform(
                lambda: self._stop_request(ledger, claim.run), lambda: self.gone_by
            )
        except OSError as error:  # no room for the child's log, or no process can be started
            outcome = Reason.DISK_FULL if no_room(error) else Outcome.ERROR
            detail = str(error)
            self._write_persistently(lambda: ledger.interrupt(claim, outcome, detail))
            return False
        except BaseException as error:
            detail = f"{type(error).__name__}: {error}"
            self._write_persistently(lambda: ledger.interrupt(claim, Outcome.LOST, detail))
            raise
        finally:
            self.child = None

    def _claim(self, ledger: Ledger, run: int, stage: StageName) -> Claim | None:
        if ledger.due_stage(run) is not stage or self._stop_request(ledger, run):
            return None
        return ledger.claim(run, self._worker, stage)

    def _write_persistently(self, write: Write) -> None:
        write_persistently(write, self.stopping.is_set)

    def _stop_request(self, ledger: Ledger, run: int) -> StopRequest | None:
        """Why `run` may not work now, or None."""
        if self.stopping.is_set():
            return StopRequest(Outcome.STOPPED, "the worker was stopped")
        if veto := self._veto():
            return veto
        control = ledger.control()
        if control.paused:
            return StopRequest(Reason.PAUSED, "paused by you")
        if ledger.run(run).state is RunState.CANCELLED:
            return CANCELLED
        if control.decision_run != run:
            return StopRequest(Outcome.STOPPED, "another run comes first")
        if not control.run_allowed:
            return StopRequest(control.decision_reason, ledger.decisions(1)[0].detail)
        return None
