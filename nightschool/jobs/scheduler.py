"""The scheduler: APScheduler ticks, the policy decides, and what may run is enqueued.

`Watch.tick` is all that happens. Its clocks and sensors are parameters, so that a year of nights can
be simulated with it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.pool import BasePoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from nightschool.config.errors import ConfigError
from nightschool.config.night_settings import NightSettings
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.config.settings_file import load
from nightschool.jobs.history import History, read_history
from nightschool.jobs.policy import PolicyDecision, decide
from nightschool.jobs.reasons import MEANINGS
from nightschool.jobs.signals.signal import Signal, Signals
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import Control, Run
from nightschool.tasks.app import StageQueue, enqueue_due
from nightschool.tasks.attempt import StopRequest

EVERY_S = 1.0
OVERDUE_S = 5.0
SILENT_S = 15.0
"""Longer than the ledger waits for a lock; after this a decision is none any more."""
JUMP_S = 10.0
"""Between two ticks wall and monotonic clock agree but for this: less is a clock that is corrected."""
TRAVELS_S = 60.0
"""So often it is decided anew though nothing happened: the time zone may be another one."""
SLEPT_S = 60.0
"""So late a tick has slept, on Windows, where the monotonic clock goes on in a suspend."""

# What is so whether or not the computer sleeps, and so stays the reason.
_ALSO_ASLEEP = frozenset({
    Reason.PAUSED, Reason.OUTSIDE_WINDOW, Reason.FINISH_BY, Reason.HOURS_USED, Reason.WOKE,
})  # fmt: skip

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the ledger said at one version of it."""

    version: int
    run: Run | None
    control: Control
    history: History

    def holds(self, version: int, now: float) -> bool:
        until = self.control.paused_until
        return self.version == version and (until is None or now < until)


class Watch:
    """What is known between two ticks. It belongs to the thread that ticks."""

    def __init__(
        self,
        school: School,
        queue: StageQueue,
        night: NightSettings,
        sensors: Callable[[], Signals],
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        open_ledger: Callable[[], Ledger] | None = None,
    ) -> None:
        self._school, self._queue = school, queue
        self._sensors, self._wall, self._monotonic = sensors, wall, monotonic
        self._open = open_ledger or (lambda: Ledger(school.ledger_file))
        self.night = night
        """The settings in force: those of the file, or the last ones that were right."""
        self.ticked: float | None = None
        """When the last tick began, by the monotonic clock."""
        self.decision: PolicyDecision | None = None
        """The last one, also where the ledger could not take it."""
        self._decided: float | None = None
        """When the last tick began that found `decision` right or made it, by the monotonic clock."""
        self._stamp = _stamp(school)
        self._ledger: Ledger | None = None
        self._seen: _Seen | None = None
        self._due = 0.0
        self._ticked_at = self._told_at = 0.0
        self._slept: float | None = None
        """When the computer fell asleep, by the wall clock, if nothing was decided since: the ledger was
        out of reach."""
        self._woke = False
        self._trouble = ""

    def tick(self) -> None:
        """Decide anew where something may have changed, record it, and enqueue what may run.

        A tick that finds the ledger as it was, and nothing that changes by itself, does no more.
        """
        try:
            self._tick()
            self._trouble, self._told_at = "", self._ticked_at
        except Exception as error:
            # The ledger or the queue (a file or a server) is out of reach: the next tick tries again.
            if str(error) != self._trouble:
                self._trouble = str(error)
                _log.warning("%s", error)
            with contextlib.suppress(Exception):
                self.close()

    def veto(self) -> StopRequest | None:
        """Why nothing may run now, or None. Any thread may ask."""
        decision, decided = self.decision, self._decided
        if decision is None or decided is None:
            return None  # a new worker: the ledger says `no_worker`
        silent_s = self._monotonic() - decided
        if silent_s > SILENT_S:
            hangs = "the computer slept, or a signal or the ledger hangs"
            return StopRequest(
                Outcome.STOPPED, f"nothing was decided for {silent_s:.0f} s: {hangs}"
            )
        return None if decision.run else StopRequest(decision.reason, decision.detail)

    def tells(self) -> bool:
        """Whether the ledger holds what is so now: it was told since the computer woke. Any thread may ask."""
        return 0 <= self._wall() - self._told_at <= OVERDUE_S

    def close(self) -> None:
        """Close the ledger; a later tick opens it again."""
        ledger, self._ledger, self._seen, self._due = self._ledger, None, None, 0.0
        if ledger:
            ledger.close()

    def _tick(self) -> None:
        now = self._wall()
        until = self._ticked_at + EVERY_S
        if self._has_slept(now) and self._slept is None:
            self._slept = until
        slept = self._slept is not None
        changed = self._settings_changed()
        ledger = self._ledger = self._ledger or self._open()
        if self._slept is not None:
            ledger.slept(self._slept, MEANINGS[Reason.WOKE].what, _ALSO_ASLEEP)
            self._seen = None
        version = ledger.version()
        seen = self._seen
        if seen is None or not seen.holds(version, now):
            seen = _Seen(version, ledger.next_run(), ledger.control(), read_history(ledger, now))
        elif not (slept or changed or self._woke or now >= self._due):
            self._decided = self.ticked
            return
        self._seen = seen
        # A child that slept with its GPU stays unwanted until it has ended.
        self._woke = slept or (self._woke and seen.run is not None and seen.run.state == "running")
        decision = self.decision = self._decide(seen, now)
        self._decided = self.ticked
        self._slept = None
        run = seen.run
        recorded = (
            seen.control.decision_run,
            seen.control.run_allowed,
            seen.control.decision_reason,
        )
        if recorded != (run.id if run else None, decision.run, decision.reason):
            ledger.decide(run.id if run else None, decision.run, decision.reason, decision.detail)
            self._seen = None  # it was changed by this connection, which `version` does not tell
        if run and decision.run:
            enqueue_due(self._queue, ledger, run.id)

    def _decide(self, seen: _Seen, now: float) -> PolicyDecision:
        def ask(signals: Signals | None, history: History) -> PolicyDecision:
            return decide(seen.run, seen.control, signals, self.night, now, history)

        decision = ask(None, seen.history)
        if not decision.run:
            # By the clock alone; but what the clock shows changes where the computer travels.
            self._due = min(decision.next_check or float("inf"), now + TRAVELS_S)
            return decision
        self._due = 0.0  # signals change at any time
        if self._woke:
            return ask(None, replace(seen.history, woke=True))
        return ask(self._signals(), seen.history)

    def _signals(self) -> Signals:
        try:
            return self._sensors()
        except Exception as error:  # no reason to go on as before: it is not known any more
            return nothing_known(f"{type(error).__name__}: {error}")

    def _has_slept(self, now: float) -> bool:
        """Whether the computer slept since the last tick, or its clock was set, either way."""
        clock, before, ticked_at = self._monotonic(), self.ticked, self._ticked_at
        self.ticked, self._ticked_at = clock, now
        if before is None:
            return False
        passed = clock - before
        return abs(now - ticked_at - passed) > JUMP_S or passed > SLEPT_S

    def _settings_changed(self) -> bool:
        """Read the school's file again where its owner has changed it; one that is wrong is told."""
        stamp = _stamp(self._school)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            night = load(self._school.settings_file).night
        except ConfigError as error:
            _log.warning("%s (the settings of before stay in force)", error)
            return False
        changed, self.night = night != self.night, night
        return changed


def nothing_known(remark: str) -> Signals:
    """Every signal unknown, so that only `run --now` works."""
    nothing: Signal[Any] = Signal(None, "none", remark=remark)
    return Signals(**{field.name: nothing for field in fields(Signals)})


def _stamp(school: School) -> tuple[int, int] | None:
    try:
        found = school.settings_file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


class _EverySecond(BaseTrigger):  # type: ignore[misc]
    """Once, however long the computer slept: an interval counts all the times that it missed."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        return now if previous is None else now + timedelta(seconds=EVERY_S)


class _InThread(BasePoolExecutor):  # type: ignore[misc]
    def __init__(self, pool: concurrent.futures.ThreadPoolExecutor) -> None:
        super().__init__(pool)


class Scheduler:
    """Ticks in a thread of its own, from now on."""

    def __init__(self, watch: Watch) -> None:
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._watch = watch
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "scheduler")
        self._aps = BackgroundScheduler(timezone=UTC)
        self._aps.add_executor(_InThread(self._thread))
        self._job = self._aps.add_job(
            watch.tick, _EverySecond(), misfire_grace_time=None, coalesce=True, max_instances=1
        )
        self._aps.start()

    @property
    def decision(self) -> PolicyDecision | None:
        """The last decision, also where the ledger could not take it."""
        return self._watch.decision

    @property
    def night(self) -> NightSettings:
        """The settings in force."""
        return self._watch.night

    def veto(self) -> StopRequest | None:
        """See `Watch.veto`."""
        return self._watch.veto()

    def tells(self) -> bool:
        """See `Watch.tells`."""
        return self._watch.tells()

    def tick_soon(self) -> None:
        """Tick now, as where the computer is about to sleep."""
        self._job.modify(next_run_time=datetime.now(UTC))

    def keep_ticking(self) -> None:
        """Call it now and then: APScheduler waits for a wall clock that was set back to catch up."""
        ticked = self._watch.ticked
        if ticked is not None and time.monotonic() - ticked > OVERDUE_S:
            self.tick_soon()

    def stop(self) -> None:
        """No tick begins after this; the ledger is closed by the thread that opened it."""
        self._aps.pause()
        with contextlib.suppress(TimeoutError):
            self._thread.submit(self._watch.close).result(timeout=5.0)
        self._aps.shutdown(wait=False)


def start_scheduler(
    school: School, queue: StageQueue, settings: Settings, sensors: Callable[[], Signals]
) -> Scheduler:
    """Tick now and every second from now on, until `stop`."""
    return Scheduler(Watch(school, queue, settings.night, sensors))
