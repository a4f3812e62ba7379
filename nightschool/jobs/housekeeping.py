"""What a worker does beside its runs: signals, sleep and wakefulness, the retraining check, the morning."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable

from nightschool.config.night import window_at
from nightschool.config.night_settings import NightSettings
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.jobs.desktop.awake import Awake
from nightschool.jobs.desktop.session_environment import SessionEnvironment
from nightschool.jobs.morning_notification import MorningNotification
from nightschool.jobs.presence import family
from nightschool.jobs.retraining import RetrainingCheck
from nightschool.jobs.scheduler import Scheduler
from nightschool.jobs.signals import snapshot
from nightschool.jobs.signals.sensors import Sensors
from nightschool.jobs.signals.signal import Signals
from nightschool.jobs.signals.suspend import SuspendWatch
from nightschool.ledger.outcomes import Reason
from nightschool.tasks.runner import Runner

_OFTEN_S = 1.0
_SELDOM_S = 60.0
# Before a sleep the system waits 5 s for a child (logind's InhibitDelayMaxSec) or 2 s (Windows); the child
# must be gone after this share of it.
_DELAY_SHARE = 0.8

_log = logging.getLogger(__name__)


class Housekeeping:
    """The worker's jobs besides the policy. The policy's thread calls `read_signals`."""

    def __init__(
        self,
        school: School,
        settings: Settings,
        runner: Runner,
        read_signals: Callable[[], Signals] | None = None,
    ) -> None:
        """Without `read_signals` it reads the signals of this computer."""
        self._school, self._settings, self._runner = school, settings, runner
        self._given_reader = read_signals
        self._scheduler: Scheduler | None = None
        self._suspend = SuspendWatch(self._on_suspend)
        self._awake = Awake()
        self._sensors: tuple[list[str], Sensors] | None = None
        self._on_ac: bool | None = None
        self._unsaved: tuple[Signals, float] | None = None
        self._saved: tuple[float, Reason | None] = (-math.inf, None)
        self._environment = SessionEnvironment()
        self._retraining = RetrainingCheck(school)
        self._morning = MorningNotification(school, _notify)

    def schedule(self, scheduler: Scheduler) -> None:
        """Add a job for each concern."""
        self._scheduler = scheduler
        scheduler.add_job("signals snapshot", _OFTEN_S, self._save_signals)
        scheduler.add_job("keeping awake", _OFTEN_S, self._keep_awake)
        scheduler.add_job("session environment", _SELDOM_S, self._environment.refresh)
        scheduler.add_job("retraining check", _SELDOM_S, self._check_notes)
        if self._settings.morning.notify:
            scheduler.add_job("morning notification", _SELDOM_S, self._notify_owner)

    def read_signals(self) -> Signals:
        """The signals as they are now."""
        signals = self._given_reader() if self._given_reader else self._own_sensors().read()
        self._on_ac, self._unsaved = signals.on_ac.value, (signals, time.time())
        return signals

    def release_sleep(self) -> None:
        """Let an announced sleep begin once no child is at work; to be called a few times a second."""
        if self._runner.child is None and self._suspend.signal().value:
            self._suspend.ready()

    def close(self) -> None:
        """Let the computer sleep whenever it wants to."""
        self._awake.release()
        self._suspend.close()

    @property
    def _night(self) -> NightSettings:
        return self._scheduler.night if self._scheduler else self._settings.night

    def _own_sensors(self) -> Sensors:
        exclusive = self._night.exclusive
        if self._sensors is None or self._sensors[0] != exclusive:
            sensors = Sensors(self._school.root, exclusive, self._own_pids, self._suspend.signal)
            self._sensors = exclusive, sensors
        return self._sensors[1]

    @staticmethod
    def _own_pids() -> set[int]:
        # All descendants: the retraining check has a child, too, and on Windows a venv's Python is a launcher
        # that starts the one that trains.
        return family(os.getpid())

    def _on_suspend(self, suspending: bool) -> None:
        self._runner.gone_by = None
        if suspending and self._scheduler:  # without a scheduler nothing works yet
            if delay_s := self._suspend.delay_s:
                self._runner.gone_by = time.monotonic() + _DELAY_SHARE * delay_s
            self._scheduler.decide_now()

    def _save_signals(self) -> None:
        """Save the signals for `why` every few seconds, and immediately if the decision's reason changed."""
        unsaved, self._unsaved = self._unsaved, None
        decision = self._scheduler.decision if self._scheduler else None
        reason = decision.reason if decision else None
        now, (saved_at, saved_reason) = time.time(), self._saved
        if unsaved and (reason != saved_reason or not 0 <= now - saved_at < snapshot.EVERY_S):
            snapshot.write_snapshot(self._school.signals_file, *unsaved)
            self._saved = now, reason

    def _keep_awake(self) -> None:
        """Keep the computer awake while it trains in a window and on mains."""
        decision = self._scheduler.decision if self._scheduler else None
        trains = self._runner.child is not None and decision is not None and decision.run
        if trains and self._on_ac and window_at(self._night, time.time()):
            if problem := self._awake.hold("training overnight"):
                _log.warning("%s", problem)
        else:
            self._awake.release()

    def _check_notes(self) -> None:
        self._retraining.start_if_due(self._night, time.time())

    def _notify_owner(self) -> None:
        # After a sleep the ledger must first know how the night ended.
        if self._scheduler and self._scheduler.is_recorded():
            self._morning.send_if_due(self._night, time.time())


def _notify(title: str, text: str) -> str | None:
    from nightschool.jobs.desktop.notifications import notify  # lazy: desktop-notifier

    return notify(title, text)
