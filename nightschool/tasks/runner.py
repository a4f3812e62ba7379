"""Work on a run: claim its next stage, do it in a child process, record how that ended."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Claim, LedgerError, Outcome
from nightschool.tasks.jobs import stage_job
from nightschool.tasks.process import Child, Message, attend

# Between two progress records: enough for a live display, few enough writes.
_PROGRESS_EVERY_S = 0.5
_log = logging.getLogger(__name__)
_TOLD_ONCE = ("choice", "warning")


class Runner:
    """Does the work of one worker, one stage or chunk at a time."""

    def __init__(self, school: School, worker: str) -> None:
        self._school = school
        self._worker = worker
        self.stopping = threading.Event()
        """Set it to end the child at its next step's border."""

    def advance(self, run: int) -> bool:
        """Do the next stage or chunk of a run; returns whether more can be done at once."""
        with Ledger(self._school.ledger_file) as ledger:
            try:
                claim = None if self._why_not(ledger, run) else ledger.claim(run, self._worker)
            except LedgerError as error:
                _log.warning(
                    "%s", error
                )  # held by another program: the scheduler sends another message
                return False
            if claim is None:
                return False
            try:
                return _Attempt(self._school, ledger, claim).perform(
                    lambda: self._why_not(ledger, run)
                )
            except BaseException as error:
                reason = f"{type(error).__name__}: {error}"
                insist(lambda: ledger.interrupt(claim, "lost", reason))
                raise

    def _why_not(self, ledger: Ledger, run: int) -> tuple[Outcome, str] | None:
        """Why nothing may run for `run` now, or None."""
        if self.stopping.is_set():
            return "stopped", "the worker was stopped"
        control = ledger.control()
        if control.paused:
            return "paused", "paused by its owner"
        if ledger.run(run).state == "cancelled":
            return "cancelled", "cancelled by its owner"
        if not control.run_allowed or control.decision_run != run:
            return "window_closed", control.decision_reason
        return None


class _Attempt:
    """One claimed stage, from the child's start to the record of its end."""

    def __init__(self, school: School, ledger: Ledger, claim: Claim) -> None:
        self._school, self._ledger, self._claim = school, ledger, claim
        self._ending: dict[str, Any] = {}
        self._recorded = 0.0
        self._asked: tuple[Outcome, str] | None = None
        # Every chunk makes the same choices and gives the same warnings: the log tells each once.
        self._told = {
            event.message for event in ledger.events(claim.run) if event.kind in _TOLD_ONCE
        }

    def perform(self, why_not: Callable[[], tuple[Outcome, str] | None]) -> bool:
        claim = self._claim
        log = self._school.run_folder(claim.run) / "logs" / f"{claim.stage}-{claim.attempt}.log"
        # The stage that may fetch the base model is the only one that sees a network.
        child = Child(
            stage_job(self._school, claim.run, claim.stage), log, online=claim.stage == "prep"
        )

        def should_stop() -> bool:
            try:
                self._asked = why_not()
            except LedgerError:
                return False  # the ledger is held for a moment: look again at the next turn
            return self._asked is not None

        code = attend(child, self._hear, should_stop)
        insist(lambda: self._record(code))
        return not self._asked and self._ending.get("outcome") in ("finished", "chunk_done")

    def _hear(self, message: Message) -> None:
        if message["event"] == "ended":
            self._ending = dict(message)
        elif message["event"] == "say" and message["message"] not in self._told:
            if message["kind"] in _TOLD_ONCE:
                self._told.add(message["message"])
            insist(
                lambda: self._ledger.event(
                    self._claim.run, self._claim.stage, message["kind"], message["message"]
                )
            )
        elif message["event"] == "progress":
            last = message["step"] == message["total"]
            if last or time.monotonic() - self._recorded >= _PROGRESS_EVERY_S:
                self._recorded = time.monotonic()
                insist(
                    lambda: self._ledger.progress(
                        self._claim,
                        message["step"],
                        message["total"],
                        message["loss"],
                        message["eta_s"],
                    )
                )

    def _record(self, code: int) -> None:
        ledger, claim = self._ledger, self._claim
        outcome, reason = self._ending.get("outcome", "lost"), self._ending.get("reason", "")
        if outcome == "finished":
            result = self._ending["result"]
            ledger.finish(claim, result, promote=result.get("decision") == "promote")
        elif outcome == "failed":
            ledger.fail(claim, reason)
        elif self._asked:
            ledger.interrupt(claim, *self._asked)
        elif outcome == "lost":
            ledger.interrupt(claim, "lost", f"its process ended with code {code}")
        else:
            ledger.interrupt(claim, outcome, reason)


def insist(record: Callable[[], object], patience_s: float = 600.0) -> None:
    """Write to the ledger although another process may hold it for a while."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            record()
            return
        except LedgerError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1.0)
