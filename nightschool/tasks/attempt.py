"""One attempt at a stage: supervise its child, pass its messages to the ledger, and record how it ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from nightschool.config import files
from nightschool.config.errors import LedgerError
from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import Claim, EventKind, RunState, StageName
from nightschool.stages.child_jobs import StageJob
from nightschool.stats.result_summary import ResultSummary
from nightschool.stats.terms import Decision
from nightschool.tasks.channel import ChildMessage, Classified, Ended, LogLine, Progress
from nightschool.tasks.persistent_writes import DeferredWrites, Write
from nightschool.tasks.process import Child, supervise

# Between two progress records: often enough for a live display, rarely enough for the disk.
_PROGRESS_EVERY_S = 0.5
_SIGKILL = (
    -9
)  # on Windows whoever kills a process chooses its exit code, so there it counts as lost
_LOGGED_ONCE = (EventKind.CHOICE, EventKind.WARNING)


@dataclass(frozen=True, slots=True)
class StopRequest:
    """Why an attempt is to stop: the outcome to record, and the explanation."""

    outcome: Outcome | Reason
    detail: str


CANCELLED = StopRequest(Outcome.CANCELLED, "by you")
_QUEUED_AGAIN = StopRequest(Outcome.STOPPED, "cancelled, and queued again")


class StageAttempt:
    """A claimed stage, from the start of its child to the record of how that ended."""

    def __init__(
        self,
        school: School,
        ledger: Ledger,
        claim: Claim,
        write_persistently: Callable[[Write], None],
    ) -> None:
        """Start the child. Raises OSError, see `Child`."""
        self._ledger, self._claim, self._write_persistently = ledger, claim, write_persistently
        self._state = school.state
        log = school.run_folder(claim.run) / "logs" / f"{claim.stage}-{claim.attempt}.log"
        job = StageJob(root=school.root, run=claim.run, stage=StageName(claim.stage))
        # Only prep may download the base model; every other stage is offline.
        self.child = Child(job, log, online=job.stage is StageName.PREP)
        self._ending: Ended | None = None
        self._stop: StopRequest | None = None
        self._progress_at = 0.0
        self._writes = DeferredWrites()
        # Every chunk makes the same choices and gives the same warnings; the log has each once.
        self._logged = {
            event.message for event in ledger.events(claim.run) if event.kind in _LOGGED_ONCE
        }

    def perform(
        self, stop_request: Callable[[], StopRequest | None], gone_by: Callable[[], float | None]
    ) -> bool:
        """Supervise the child and record how it ended; returns whether more of the run can follow now.

        `stop_request` is asked a few times a second; for `gone_by` see `supervise`.
        """

        def should_stop() -> bool:
            try:
                self._stop = stop_request()
            except LedgerError:
                return False  # the ledger is held for a moment; asked again soon
            return self._stop is not None

        code = supervise(self.child, self._on_message, should_stop, gone_by)
        if self._ending is None:
            files.clean(self._state)
        self._write_persistently(self._writes.flush)
        self._write_persistently(lambda: self._record_end(code))
        outcome = self._ending.outcome if self._ending else None
        return self._stop is None and outcome in (Outcome.FINISHED, Outcome.CHUNK_DONE)

    def _on_message(self, message: ChildMessage) -> None:
        match message:
            case Ended():
                self._ending = message
            case LogLine():
                self._log(message.kind, message.text)
            case Progress():
                self._record_progress(message)
            case Classified():
                pass  # the answer to a query; no stage sends it

    def _log(self, kind: EventKind, text: str) -> None:
        if text in self._logged:
            return
        if kind in _LOGGED_ONCE:
            self._logged.add(text)
        run, stage = self._claim.run, self._claim.stage
        self._writes.add(lambda: self._ledger.event(run, stage, kind, text))

    def _record_progress(self, at: Progress) -> None:
        now = time.monotonic()
        if at.step == at.total or now - self._progress_at >= _PROGRESS_EVERY_S:
            self._progress_at = now
            self._writes.add(
                lambda: self._ledger.progress(self._claim, at.step, at.total, at.loss, at.eta_s)
            )

    def _record_end(self, code: int) -> None:
        ledger, claim, ending = self._ledger, self._claim, self._ending
        if ending and ending.outcome is Outcome.FINISHED:
            result = ending.result or {}
            decision = ResultSummary.model_validate(result).decision
            promote = decision is Decision.PROMOTE
            ledger.finish(claim, result, promote=promote, artifacts=ending.artifacts)
        elif ending and ending.outcome is Outcome.FAILED:
            ledger.fail(claim, ending.reason)
        elif self._stop:
            stop = self._recorded_stop(self._stop)
            ledger.interrupt(claim, stop.outcome, stop.detail)
        elif ending:
            ledger.interrupt(claim, ending.outcome, ending.reason)
        elif code == _SIGKILL:
            ledger.interrupt(claim, Outcome.KILLED, "its process was killed, or memory was short")
        else:
            ledger.interrupt(claim, Outcome.LOST, _how_it_ended(code))

    def _recorded_stop(self, stop: StopRequest) -> StopRequest:
        """What to record for a stop request: the policy sees a cancelled run as nothing to do."""
        if self._ledger.run(self._claim.run).state is RunState.CANCELLED:
            return CANCELLED
        if stop == CANCELLED or stop.outcome is Reason.NOTHING_TO_DO:
            return _QUEUED_AGAIN
        return stop


def _how_it_ended(code: int) -> str:
    """The end of a process without a last message, from its exit code."""
    with suppress(ValueError):
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with code {code}"
