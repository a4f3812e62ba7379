"""Work on a run: claim its next stage, do it in a child process, record how that ended."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from nightschool.config.errors import LedgerError, RequestError
from nightschool.config.files import no_room
from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason, parse, parse_outcome
from nightschool.ledger.records import Claim, EventKind
from nightschool.stages.queries import stage_job
from nightschool.tasks.process import Child, Message, attend

# Between two progress records: enough for a live display, few enough writes.
_PROGRESS_EVERY_S = 0.5
_log = logging.getLogger(__name__)
_WRITE_AGAIN_S = 10.0
_KILLED = -9  # SIGKILL; on Windows whoever ends a process chooses its code, so that it is only lost
Stop = tuple[Outcome | Reason, str]
"""How an attempt ends that is asked to stop, and the explanation."""

_TOLD_ONCE = (EventKind.CHOICE, EventKind.WARNING)
_CANCELLED: Stop = (Outcome.CANCELLED, "by its owner")

Veto = Callable[[], Stop | None]
"""Why to stop now, or None."""
Record = Callable[[], object]
"""Writes something into the ledger."""


class Runner:
    """Does the work of one worker, one stage or chunk at a time."""

    def __init__(self, school: School, worker: str, veto: Veto = lambda: None) -> None:
        """`veto` says why nothing may run now, also where a full disk keeps that out of the ledger."""
        self._school = school
        self._worker = worker
        self._veto = veto
        self.stopping = threading.Event()
        """Set it to end the child at its next step's border."""
        self.gone_by: float | None = None
        """When the child has to be gone, by the monotonic clock, since the computer is about to sleep."""
        self.child: int | None = None
        """The process id of the child that works now."""

    def advance(self, run: int) -> bool:
        """Do the next stage or chunk of a run; returns whether more can be done at once."""
        with Ledger(self._school.ledger_file) as ledger:
            try:
                claim = None if self._why_not(ledger, run) else ledger.claim(run, self._worker)
            except (LedgerError, RequestError) as error:
                _log.warning(
                    "%s", error
                )  # held by another program: the scheduler sends another message
                return False
            if claim is None:
                return False
            try:
                attempt = _Attempt(self._school, ledger, claim, self._insist)
                self.child = attempt.child.pid
                return attempt.perform(lambda: self._why_not(ledger, run), lambda: self.gone_by)
            except OSError as error:  # no room for the child's log, or no process to be had
                outcome = Reason.DISK_FULL if no_room(error) else Outcome.LOST
                reason = str(error)
                self._insist(lambda: ledger.interrupt(claim, outcome, reason))
                return False
            except BaseException as error:
                reason = f"{type(error).__name__}: {error}"
                self._insist(lambda: ledger.interrupt(claim, Outcome.LOST, reason))
                raise
            finally:
                self.child = None

    def _insist(self, record: Record) -> None:
        insist(record, self.stopping.is_set)

    def _why_not(self, ledger: Ledger, run: int) -> Stop | None:
        """Why nothing may run for `run` now, or None."""
        if self.stopping.is_set():
            return Outcome.STOPPED, "the worker was stopped"
        if why := self._veto():
            return why
        control = ledger.control()
        if control.paused:
            return Reason.PAUSED, "paused by its owner"
        if ledger.run(run).state == "cancelled":
            return _CANCELLED
        if control.decision_run != run:
            return Outcome.STOPPED, "another run comes first"
        if not control.run_allowed:
            return control.decision_reason, ledger.decisions(1)[0].detail
        return None


class _Attempt:
    """One claimed stage, from the child's start to the record of its end."""

    def __init__(
        self, school: School, ledger: Ledger, claim: Claim, insist: Callable[[Record], None]
    ) -> None:
        self._ledger, self._claim, self._insist = ledger, claim, insist
        log = school.run_folder(claim.run) / "logs" / f"{claim.stage}-{claim.attempt}.log"
        # The stage that may fetch the base model is the only one that sees a network.
        self.child = Child(
            stage_job(school, claim.run, claim.stage), log, online=claim.stage == "prep"
        )
        self._ending: dict[str, Any] = {}
        self._recorded = 0.0
        self._asked: Stop | None = None
        self._unwritten: deque[Record] = deque()
        self._write_again = 0.0
        # Every chunk makes the same choices and gives the same warnings: the log tells each once.
        self._told = {
            event.message for event in ledger.events(claim.run) if event.kind in _TOLD_ONCE
        }

    def perform(self, why_not: Veto, gone_by: Callable[[], float | None]) -> bool:
        def should_stop() -> bool:
            try:
                self._asked = why_not()
            except LedgerError:
                return False  # the ledger is held for a moment: look again at the next turn
            return self._asked is not None

        code = attend(self.child, self._hear, should_stop, gone_by)
        self._insist(self._write_all)
        self._insist(lambda: self._record(code))
        return not self._asked and self._ending.get("outcome") in (
            Outcome.FINISHED,
            Outcome.CHUNK_DONE,
        )

    def _hear(self, message: Message) -> None:
        claim = self._claim
        if message["event"] == "ended":
            self._ending = dict(message)
        elif message["event"] == "say" and message["message"] not in self._told:
            if message["kind"] in _TOLD_ONCE:
                self._told.add(message["message"])
            kind, text = parse(EventKind, message["kind"]), message["message"]
            self._write(lambda: self._ledger.event(claim.run, claim.stage, kind, text))
        elif message["event"] == "progress":
            last = message["step"] == message["total"]
            if last or time.monotonic() - self._recorded >= _PROGRESS_EVERY_S:
                self._recorded = time.monotonic()
                step, total = message["step"], message["total"]
                loss, eta_s = message["loss"], message["eta_s"]
                self._write(lambda: self._ledger.progress(claim, step, total, loss, eta_s))

    def _write(self, record: Record) -> None:
        """Write now, or later where the ledger is held or the disk full: the child must not wait."""
        self._unwritten.append(record)
        if time.monotonic() >= self._write_again:
            try:
                self._write_all()
            except LedgerError as error:
                if not self._write_again:
                    _log.warning("%s; it is tried again", error)
                self._write_again = time.monotonic() + _WRITE_AGAIN_S

    def _write_all(self) -> None:
        while self._unwritten:
            self._unwritten[0]()
            self._unwritten.popleft()

    def _record(self, code: int) -> None:
        ledger, claim = self._ledger, self._claim
        outcome = parse_outcome(self._ending.get("outcome", Outcome.LOST))
        reason = self._ending.get("reason", "")
        if outcome is Outcome.FINISHED:
            result = self._ending["result"]
            ledger.finish(claim, result, promote=result.get("decision") == "promote")
        elif outcome is Outcome.FAILED:
            ledger.fail(claim, reason)
        elif self._asked:
            ledger.interrupt(claim, *self._why(self._asked))
        elif outcome is not Outcome.LOST:
            ledger.interrupt(claim, outcome, reason)
        elif code == _KILLED:
            ledger.interrupt(claim, Outcome.KILLED, "its process was killed, or memory was short")
        else:
            ledger.interrupt(claim, Outcome.LOST, reason or f"its process ended with code {code}")

    def _why(self, asked: Stop) -> Stop:
        """How the attempt ended that was asked to stop. To the policy a run that was cancelled is none."""
        if self._ledger.run(self._claim.run).state == "cancelled":
            return _CANCELLED
        if asked == _CANCELLED or asked[0] is Reason.NOTHING_TO_DO:
            return Outcome.STOPPED, "cancelled, and queued again"
        return asked


def insist(record: Record, given_up: Callable[[], bool] = lambda: False) -> None:
    """Write to the ledger although another process may hold it, or the disk be full, for hours.

    Raises LedgerError where it cannot be written and has been `given_up`.
    """
    told = ""
    while True:
        try:
            record()
            return
        except LedgerError as error:
            if given_up():
                raise
            if str(error) != told:
                told = str(error)
                _log.warning("%s; it is tried again", error)
            time.sleep(1.0)
