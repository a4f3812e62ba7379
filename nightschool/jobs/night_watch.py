"""What a worker looks after beside its runs: signals, sleep, wakefulness, new notes, the morning."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable

from nightschool.config.night import window_at
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.jobs.desktop.awake import Awake
from nightschool.jobs.desktop.session_environment import SessionEnvironment
from nightschool.jobs.morning_notification import MorningNotification
from nightschool.jobs.presence import family
from nightschool.jobs.retraining import RetrainingCheck
from nightschool.jobs.scheduler import Scheduler
from nightschool.jobs.signals.sensors import Sensors
from nightschool.jobs.signals.signal import Signals
from nightschool.jobs.signals.snapshot import EVERY_S, write_snapshot
from nightschool.jobs.signals.suspend import SuspendWatch
from nightschool.ledger.outcomes import Reason
from nightschool.tasks.runner import Runner

_EVERY_S = 1.0
_REFRESH_S = 60.0
_AGAIN_S = 60.0
# A computer that is about to sleep waits 5 s for a child (logind's InhibitDelayMaxSec) or 2 s (Windows):
# it is ended before.
_OF_THE_DELAY = 0.8

_log = logging.getLogger(__name__)


class NightWatch:
    """Made by the worker; `read` is called by the scheduler's thread, all else by the worker's."""

    def __init__(
        self,
        school: School,
        settings: Settings,
        runner: Runner,
        read: Callable[[], Signals] | None = None,
    ) -> None:
        """Without `read` it reads the computer's own signals; the settings of the night count until
        `attend` is called, which knows newer ones."""
        self._school, self._runner, self._given = school, runner, read
        self._night, self._notify = settings.night, settings.morning.notify
        self._scheduler: Scheduler | None = None
        self._suspend = SuspendWatch(self._on_suspend)
        self._awake = Awake()
        self._sensors: tuple[list[str], Sensors] | None = None
        self._on_ac: bool | None = None
        self._read: tuple[Signals, float] | None = None
        self._left: tuple[float, Reason | None] = (-math.inf, None)
        self._looked = self._refreshed = -math.inf
        self._environment = SessionEnvironment()
        self._failed: dict[str, tuple[str, float]] = {}
        self._retraining = RetrainingCheck(school)
        self._morning = MorningNotification(school, _notify)

    def read(self) -> Signals:
        """The signals as they are now."""
        signals = self._given() if self._given else self._own().read()
        self._on_ac, self._read = signals.on_ac.value, (signals, time.time())
        return signals

    def _own(self) -> Sensors:
        exclusive = self._night.exclusive
        if self._sensors is None or self._sensors[0] != exclusive:
            made = Sensors(self._school.root, exclusive, self._pids, self._suspend.signal)
            self._sensors = exclusive, made
        return self._sensors[1]

    @staticmethod
    def _pids() -> set[int]:
        # All of them: beside the run's child there is the one that looks at the notes, and on Windows
        # a venv's Python is a launcher, which starts the one that trains.
        return family(os.getpid())

    def _on_suspend(self, suspending: bool) -> None:
        self._runner.gone_by = None
        if suspending and self._scheduler:  # else nothing works yet
            if delay_s := self._suspend.delay_s:
                self._runner.gone_by = time.monotonic() + _OF_THE_DELAY * delay_s
            self._scheduler.tick_soon()

    def attend(self, scheduler: Scheduler) -> None:
        """Look after everything; to be called a few times a second."""
        self._scheduler, self._night = scheduler, scheduler.night
        training = self._runner.child is not None
        if not training and self._suspend.signal().value:
            self._suspend.ready()
        if time.monotonic() - self._looked < _EVERY_S:
            return
        self._looked = time.monotonic()
        now = time.time()
        self._try("leaving the signals", lambda: self._leave_signals(scheduler, now))
        self._try("keeping awake", lambda: self._keep_awake(training, scheduler))
        if time.monotonic() - self._refreshed >= _REFRESH_S:
            self._refreshed = time.monotonic()
            self._try("the session's environment", self._environment.refresh)
        self._try("looking for new notes", lambda: self._retraining.start_if_due(self._night, now))
        if self._notify and scheduler.tells():
            self._try("telling of the night", lambda: self._morning.send_if_due(self._night, now))

    def _try(self, what: str, do: Callable[[], None]) -> None:
        """Do what must not end the night's work: where it fails that is told once, and it is tried again."""
        told, at = self._failed.get(what, ("", -math.inf))
        if time.monotonic() - at < _AGAIN_S:
            return
        try:
            do()
        except Exception as error:
            failed = f"{what}: {type(error).__name__}: {error}"
            self._failed[what] = failed, time.monotonic()
            if failed != told:
                _log.warning("%s; it is tried again", failed)
        else:
            self._failed.pop(what, None)

    def _leave_signals(self, scheduler: Scheduler, now: float) -> None:
        """For `why`; at once where the decision is another one."""
        read, self._read = self._read, None
        reason = scheduler.decision.reason if scheduler.decision else None
        at, left_reason = self._left
        if read and (reason != left_reason or not 0 <= now - at < EVERY_S):
            write_snapshot(self._school.signals_file, *read)
            self._left = now, reason

    def _keep_awake(self, training: bool, scheduler: Scheduler) -> None:
        decision = scheduler.decision
        wanted = training and decision is not None and decision.run and self._on_ac
        if wanted and window_at(self._night, time.time()):
            if refused := self._awake.hold("training overnight"):
                _log.warning("%s", refused)
        else:
            self._awake.release()

    def close(self) -> None:
        """Let the computer sleep when it likes."""
        self._awake.release()
        self._suspend.close()


def _notify(title: str, text: str) -> str | None:
    from nightschool.jobs.desktop.notifications import notify  # late: a night's work needs it once

    return notify(title, text)
