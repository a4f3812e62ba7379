"""The scheduler: an APScheduler job per concern, each repeated at its own interval.

The policy has a thread of its own; all other jobs share one, so that none of them delays a decision.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from apscheduler.executors.pool import BasePoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from nightschool.config.errors import NightschoolError, first_line
from nightschool.config.night_settings import NightSettings
from nightschool.jobs.policy import PolicyDecision
from nightschool.jobs.policy_tick import EVERY_S, OVERDUE_S, PolicyTick
from nightschool.tasks.attempt import StopRequest

RETRY_S = 60.0
"""A job that failed is not run again before this."""
_CLOSE_LIMIT_S = 5.0
_log = logging.getLogger(__name__)


class _Thread(StrEnum):
    POLICY = "scheduler-policy"
    OTHERS = "scheduler-others"


class Scheduler:
    """Runs the policy every second, and the jobs that are added, until `stop`."""

    def __init__(self, policy: PolicyTick) -> None:
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._policy = policy
        self._recovered = -math.inf
        """When `recover` last did something, by the monotonic clock."""
        self._threads = {thread: ThreadPoolExecutor(1, thread) for thread in _Thread}
        self._aps = BackgroundScheduler(timezone=UTC)
        for thread, executor in self._threads.items():
            self._aps.add_executor(_OneThread(executor), thread)
        self._add("policy", EVERY_S, policy.tick, _Thread.POLICY)
        self._aps.start()

    def add_job(self, name: str, every_s: float, function: Callable[[], None]) -> None:
        """Run `function` now and every `every_s` seconds; if it fails, that is logged and it is retried."""
        self._add(name, every_s, ScheduledJob(name, function).run, _Thread.OTHERS)

    def _add(
        self, name: str, every_s: float, function: Callable[[], None], thread: _Thread
    ) -> None:
        self._aps.add_job(
            function,
            Every(every_s),
            id=name,
            executor=thread,
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
        )

    @property
    def decision(self) -> PolicyDecision | None:
        """See `PolicyTick.decision`."""
        return self._policy.decision

    @property
    def night(self) -> NightSettings:
        """See `PolicyTick.night`."""
        return self._policy.night

    def veto(self) -> StopRequest | None:
        """See `PolicyTick.veto`."""
        return self._policy.veto()

    def is_recorded(self) -> bool:
        """See `PolicyTick.is_recorded`."""
        return self._policy.is_recorded()

    def decide_now(self) -> None:
        """Ask the policy now, as when the computer is about to sleep."""
        self._aps.modify_job("policy", next_run_time=datetime.now(UTC))

    def recover(self) -> None:
        """Run all jobs now if the policy is overdue; to be called a few times a second.

        APScheduler goes by the wall clock: if that is set back, it would wait until the clock has caught up.
        If the policy hangs instead, this runs the other jobs once in `OVERDUE_S`, and not at each call.
        """
        ticked, now = self._policy.ticked, time.monotonic()
        if ticked is not None and now - max(ticked, self._recovered) > OVERDUE_S:
            self._recovered = now
            for job in self._aps.get_jobs():
                job.modify(next_run_time=datetime.now(UTC))

    def stop(self, close: Callable[[], None] = lambda: None) -> None:
        """Start no more jobs. `close` runs in the thread of the added jobs, for what belongs to it."""
        self._aps.pause()
        closing = {_Thread.POLICY: self._policy.close, _Thread.OTHERS: close}
        for thread, function in closing.items():
            with contextlib.suppress(TimeoutError):
                self._threads[thread].submit(function).result(timeout=_CLOSE_LIMIT_S)
        self._aps.shutdown(wait=False)


class ScheduledJob:
    """A function that may fail: that is logged once, and it is retried after `RETRY_S`."""

    def __init__(self, name: str, function: Callable[[], None]) -> None:
        self._name, self._function = name, function
        self._reported = ""
        self._retry_at = 0.0

    def run(self) -> None:
        if time.monotonic() < self._retry_at:
            return
        try:
            self._function()
        except Exception as error:
            self._retry_at = time.monotonic() + RETRY_S
            problem = f"{self._name}: {type(error).__name__}: {first_line(error)}"
            if problem != self._reported:
                # Anything unexpected is a bug, and its traceback is needed.
                expected = isinstance(error, NightschoolError | OSError)
                _log.warning("%s; retrying", problem, exc_info=None if expected else error)
            self._reported = problem
        else:
            self._reported = ""


class Every(BaseTrigger):  # type: ignore[misc]
    """Fires at an interval, and once after a sleep; APScheduler's own counts all the times it missed."""

    def __init__(self, seconds: float) -> None:
        self._interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        return now if previous is None else now + self._interval


class _OneThread(BasePoolExecutor):  # type: ignore[misc]
    """An APScheduler executor over a thread that the scheduler itself uses, too."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        super().__init__(pool)
