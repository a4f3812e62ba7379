"""The worker: holds the work lock, the Huey consumer with one thread, and the scheduler."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

import filelock
from huey.consumer import Consumer

from nightschool.config.errors import LedgerError, WorkerRunning
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.jobs.night_watch import NightWatch
from nightschool.jobs.presence import worker_alive
from nightschool.jobs.scheduler import Scheduler, start_scheduler
from nightschool.jobs.signals.signal import Signals
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from nightschool.tasks.app import open_queue
from nightschool.tasks.persistent_writes import write_persistently
from nightschool.tasks.runner import Runner

# A ledger that another program holds (a backup, a virus scanner) is waited for.
_PATIENCE_S = 60.0
# So exactly it is known when a worker died that waited.
_SIGN_S = 60.0


class _Consumer(Consumer):  # type: ignore[misc]
    def _set_signal_handlers(self) -> None:
        """The worker has its own: they ask the child for a checkpoint first."""


def work(
    school: School,
    settings: Settings,
    until: Callable[[], bool] = lambda: False,
    every_s: float = 0.2,
    sensors: Callable[[], Signals] | None = None,
) -> bool:
    """Work on the school's runs until a signal comes or `until()`, which is asked `every_s` seconds.

    `sensors` read the signals; without it the computer's own. Returns whether a signal ended it. On
    a signal the running child writes a checkpoint first. Raises WorkerRunning where another process
    holds the school, LedgerError where its ledger cannot be used.
    """
    school.state.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(school.work_lock)
    try:
        lock.acquire(timeout=1)  # longer than a look of `worker_alive` takes
    except filelock.Timeout:
        raise WorkerRunning(
            f"another `nightschool work` (process {worker_alive(school) or 'unknown'}) holds {school.root}: "
            "one is enough; `nightschool status` shows what it does"
        ) from None
    try:
        heard = _heard(school)
        _sign(school).write_text(json.dumps({"pid": os.getpid()}), "utf-8")
        deadline = time.monotonic() + _PATIENCE_S
        write_persistently(lambda: _take_over(school, heard), lambda: time.monotonic() > deadline)
        try:
            return _consume(school, settings, until, every_s, sensors)
        finally:
            _leave(school)
    finally:
        lock.release()


def _sign(school: School) -> Path:
    """The file whose time is the worker's last sign of life."""
    return school.state / "worker.json"


def _heard(school: School) -> float | None:
    try:
        return _sign(school).stat().st_mtime
    except OSError:
        return None


def _take_over(school: School, heard: float | None) -> None:
    with Ledger(school.ledger_file) as ledger:
        ledger.take_over(heard)


def _leave(school: School) -> None:
    """What was decided holds no longer. Where that cannot be written, the next worker does it."""
    with suppress(OSError):
        os.utime(_sign(school))
    with suppress(LedgerError), Ledger(school.ledger_file) as ledger:
        ledger.decide(None, False, Reason.NO_WORKER)


def _consume(
    school: School,
    settings: Settings,
    until: Callable[[], bool],
    every_s: float,
    sensors: Callable[[], Signals] | None,
) -> bool:
    logging.getLogger("huey").setLevel(logging.ERROR)
    scheduler: Scheduler | None = None

    runner = Runner(school, uuid.uuid4().hex, lambda: scheduler.veto() if scheduler else None)
    queue = open_queue(school, settings.queue, runner.perform)
    consumer = _Consumer(queue.huey, workers=1, periodic=False, initial_delay=0.1, max_delay=1.0)
    signalled = False

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal signalled
        signalled = True

    names = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")
    before = {
        number: signal.signal(number, on_signal)
        for number in (getattr(signal, name) for name in names if hasattr(signal, name))
    }
    night = NightWatch(school, settings, runner, sensors)
    scheduler = start_scheduler(school, queue, settings, night.read)
    consumer.start()
    checked = signed = time.monotonic()
    try:
        while not signalled and not until():
            time.sleep(every_s)
            scheduler.keep_ticking()
            night.attend(scheduler)
            if time.monotonic() - checked > 10:
                consumer.check_worker_health()
                checked = time.monotonic()
            if time.monotonic() - signed > _SIGN_S:
                with suppress(OSError):
                    os.utime(_sign(school))
                signed = time.monotonic()
    finally:
        scheduler.stop()
        runner.stopping.set()
        consumer.stop(graceful=True)
        night.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    return signalled
