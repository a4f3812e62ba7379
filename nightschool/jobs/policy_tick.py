"""What the scheduler does every second: ask the policy, record its decision, enqueue what may work.

Clocks, signals and ledger are parameters, so that tests simulate a year of nights with it.
"""

from __future__ import annotations

import contextlib
import logging
import math
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from nightschool.config.errors import ConfigError, NightschoolError, QueueError, first_line
from nightschool.config.night_settings import NightSettings
from nightschool.config.paths import School
from nightschool.config.recent_problems import RecentProblems
from nightschool.config.settings_file import load
from nightschool.jobs.history import History, read_history
from nightschool.jobs.policy import PolicyDecision, decide
from nightschool.jobs.reasons import MEANINGS
from nightschool.jobs.signals.signal import Signal, Signals
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import Control, Run, RunState
from nightschool.tasks.app import StageQueue, enqueue_due
from nightschool.tasks.attempt import StopRequest

EVERY_S = 1.0
OVERDUE_S = 5.0
SILENT_S = 15.0
"""A decision expires after this; longer than the ledger waits for a lock."""
JUMP_S = 10.0
"""Wall and monotonic clock may differ by this much between two ticks, as when a clock is corrected."""
TIME_ZONE_S = 60.0
"""Decide at least this often, even if nothing changed: the computer may have another time zone now."""
QUEUE_RETRY_S = 30.0
"""A queue that cannot be used is tried again after 1, 2, 4 ... seconds, and this at most."""
SLEPT_S = 60.0
"""A tick this late means a sleep on Windows, where the monotonic clock runs on meanwhile."""

# These reasons apply whether or not the computer sleeps, so a sleep does not replace them.
_ALSO_ASLEEP = frozenset({
    Reason.PAUSED, Reason.OUTSIDE_WINDOW, Reason.FINISH_BY, Reason.HOURS_USED, Reason.WOKE,
})  # fmt: skip

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _LedgerState:
    """What the policy needs of the ledger, as of one version of it."""

    version: int
    valid_until: float
    """When time alone changes it: a pause or a wait after an error ends."""
    run: Run | None
    control: Control
    history: History

    def is_current(self, version: int, now: float) -> bool:
        return self.version == version and now < self.valid_until


class PolicyTick:
    """The state between two ticks. It belongs to the thread that ticks, except where noted."""

    def __init__(
        self,
        school: School,
        queue: StageQueue,
        night: NightSettings,
        read_signals: Callable[[], Signals],
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        open_ledger: Callable[[], Ledger] | None = None,
    ) -> None:
        self._school, self._messages = school, _Messages(queue, monotonic)
        self._read_signals, self._wall, self._monotonic = read_signals, wall, monotonic
        self._open = open_ledger or (lambda: Ledger(school.ledger_file))
        self.night = night
        """The settings in force: those of the file, or the last valid ones."""
        self.ticked: float | None = None
        """When the last tick began, by the monotonic clock."""
        self.decision: PolicyDecision | None = None
        """The last decision, even if the ledger could not be written."""
        self._decided: float | None = None
        """When the last tick began that made or confirmed `decision`, by the monotonic clock."""
        self._settings_stamp = _stamp(school)
        self._ledger: Ledger | None = None
        self._state: _LedgerState | None = None
        self._check_at = 0.0
        self._ticked_at = self._recorded_at = 0.0
        self._slept: float | None = None
        """When the computer fell asleep, by the wall clock, until the ledger has recorded it."""
        self._woke = False
        self._signals_problem = ""
        self._problems = RecentProblems(monotonic)
        self._queue_detail = ""

    def tick(self) -> None:
        """Decide if something may have changed, record the decision, and enqueue what may work.

        Never raises: if the ledger or the queue is out of reach the next tick tries again, and a bug is
        recorded as the decision, so that nothing works and `status` shows why.
        """
        try:
            self._tick()
            self._recorded_at = self._ticked_at
        except (NightschoolError, OSError, sqlite3.Error) as error:
            if self._problems.is_new(str(error)):
                _log.warning("%s", error)
            with contextlib.suppress(Exception):
                self.close()
        except Exception as error:
            self._record_bug(error)

    def veto(self) -> StopRequest | None:
        """Why nothing may work now, or None. Any thread may ask."""
        decision, decided = self.decision, self._decided
        if decision is None or decided is None:
            return None  # a new worker; the ledger holds NO_WORKER
        silent_s = self._monotonic() - decided
        if silent_s > SILENT_S:
            return StopRequest(
                Outcome.STOPPED,
                f"there was no decision for {silent_s:.0f} s: the computer slept, or reading a signal or "
                "the ledger hangs",
            )
        return None if decision.run else StopRequest(decision.reason, decision.detail)

    def is_recorded(self) -> bool:
        """Whether the ledger is up to date, also after the computer woke. Any thread may ask."""
        return 0 <= self._wall() - self._recorded_at <= OVERDUE_S

    def close(self) -> None:
        """Close the ledger; a later tick opens it again."""
        ledger, self._ledger, self._state, self._check_at = self._ledger, None, None, 0.0
        if ledger:
            ledger.close()

    def _tick(self) -> None:
        now = self._wall()
        asleep_from = self._ticked_at + EVERY_S
        if self._has_slept(now) and self._slept is None:
            self._slept = asleep_from
        slept = self._slept is not None
        settings_changed = self._reload_settings()
        ledger = self._ledger = self._ledger or self._open()
        if self._slept is not None:
            ledger.slept(self._slept, MEANINGS[Reason.WOKE].what, _ALSO_ASLEEP)
            self._state = None
        version, state = ledger.version(), self._state
        if state is None or not state.is_current(version, now):
            control, run = ledger.control(), ledger.next_run()
            valid_until = min(control.paused_until or math.inf, ledger.next_retry() or math.inf)
            state = _LedgerState(version, valid_until, run, control, read_history(ledger, now))
        elif not (slept or settings_changed or self._woke or now >= self._check_at):
            self._decided = self.ticked
            return
        self._state, run = state, state.run
        # A child that slept together with its GPU may not continue: wait until it has ended.
        self._woke = slept or (self._woke and run is not None and run.state is RunState.RUNNING)
        decision = self._decide(state, now)
        due = run if run and decision.run and run.state is RunState.QUEUED else None
        if due and (problem := self._messages.problem(ledger, due)):
            decision, due = PolicyDecision(False, Reason.QUEUE_DOWN, problem), None
        self.decision = decision
        self._decided, self._slept = self.ticked, None
        self._record(ledger, state, decision)
        if due:
            self._messages.send(ledger, due)

    def _record(self, ledger: Ledger, state: _LedgerState, decision: PolicyDecision) -> None:
        last, run = state.control, state.run.id if state.run else None
        recorded = (last.decision_run, last.run_allowed, last.decision_reason)
        stale = decision.reason is Reason.QUEUE_DOWN and decision.detail != self._queue_detail
        if stale or recorded != (run, decision.run, decision.reason):
            self._queue_detail = decision.detail
            ledger.decide(run, decision.run, decision.reason, decision.detail)
            self._state = None  # `version` does not change with this connection's own writes

    def _record_bug(self, error: Exception) -> None:
        detail = f"{type(error).__name__}: {first_line(error)}"
        if self._problems.is_new(detail):
            _log.exception("a bug in the scheduler; nothing works until it is fixed")
        run = self._state.run.id if self._state and self._state.run else None
        self.decision = PolicyDecision(False, Reason.BUG, detail)
        self._decided = self.ticked
        with contextlib.suppress(Exception):
            (self._ledger or self._open()).decide(run, False, Reason.BUG, detail)
        with contextlib.suppress(Exception):
            self.close()

    def _decide(self, state: _LedgerState, now: float) -> PolicyDecision:
        def ask(signals: Signals | None, history: History) -> PolicyDecision:
            return decide(state.run, state.control, signals, self.night, now, history)

        decision = ask(None, state.history)
        if not decision.run:
            # By the clock alone; but the clock may change its time zone.
            self._check_at = min(decision.next_check or float("inf"), now + TIME_ZONE_S)
            return decision
        self._check_at = 0.0  # signals change at any time
        if self._woke:
            return ask(None, replace(state.history, woke=True))
        return ask(self._signals(), state.history)

    def _signals(self) -> Signals:
        try:
            signals, self._signals_problem = self._read_signals(), ""
            return signals
        except Exception as error:  # unknown from now on, which is no reason to continue
            problem = f"{type(error).__name__}: {error}"
            if problem != self._signals_problem:
                self._signals_problem = problem
                _log.exception("the signals cannot be read")
            return unknown_signals(problem)

    def _has_slept(self, now: float) -> bool:
        """Whether the computer slept, or its clock was set forward or back, since the last tick."""
        clock, before, ticked_at = self._monotonic(), self.ticked, self._ticked_at
        self.ticked, self._ticked_at = clock, now
        if before is None:
            return False
        passed = clock - before
        return abs(now - ticked_at - passed) > JUMP_S or passed > SLEPT_S

    def _reload_settings(self) -> bool:
        """Read the settings file again if it changed; returns whether the night's settings changed."""
        stamp = _stamp(self._school)
        if stamp == self._settings_stamp:
            return False
        self._settings_stamp = stamp
        try:
            night = load(self._school.settings_file).night
        except ConfigError as error:
            _log.warning("%s (the previous settings stay in force)", error)
            return False
        changed, self.night = night != self.night, night
        return changed


class _Messages:
    """Sends the message of a run that may work; while the queue is broken, only now and then."""

    def __init__(self, queue: StageQueue, monotonic: Callable[[], float]) -> None:
        self._queue, self._monotonic = queue, monotonic
        self._problem, self._delay_s, self._retry_at = "", 0.0, 0.0

    def send(self, ledger: Ledger, run: Run) -> None:
        """Enqueue the stage that is due; see `problem` if that fails."""
        try:
            enqueue_due(self._queue, ledger, run.id)
            self._problem, self._delay_s = "", 0.0
        except QueueError as error:
            self._delay_s = min(max(1.0, 2 * self._delay_s), QUEUE_RETRY_S)
            self._retry_at = self._monotonic() + self._delay_s
            if not self._problem:
                _log.warning("%s; retrying", error)
            self._problem = str(error)

    def problem(self, ledger: Ledger, run: Run) -> str:
        """Why no message reaches the worker's thread; "" if nothing is known to be wrong."""
        if self._problem and self._monotonic() >= self._retry_at:
            self.send(ledger, run)
        return self._problem or self._queue.problem


def unknown_signals(remark: str) -> Signals:
    """Every signal unknown, so that only `run --now` works."""
    unknown: Signal[Any] = Signal(None, "none", remark=remark)
    return Signals(**{field.name: unknown for field in fields(Signals)})


def _stamp(school: School) -> tuple[int, int] | None:
    try:
        status = school.settings_file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
