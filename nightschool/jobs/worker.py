"""The worker: holds the work lock, and runs the Huey consumer with one thread, and the scheduler."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from types import FrameType

import filelock
from huey.consumer import Consumer

from nightschool.config import files
from nightschool.config.errors import LedgerError, WorkerRunning
from nightschool.config.file_systems import check_file_system
from nightschool.config.logs import log_once
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.jobs.forgetting.interrupted import complete_interrupted
from nightschool.jobs.housekeeping import Housekeeping
from nightschool.jobs.policy_tick import PolicyTick
from nightschool.jobs.presence import worker_alive
from nightschool.jobs.pruning import prune_as_set
from nightschool.jobs.scheduler import Scheduler
from nightschool.jobs.signals.signal import Signals
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import StageName
from nightschool.ledger.school_lock import SchoolLock, lock_to_work
from nightschool.tasks.app import open_queue
from nightschool.tasks.persistent_writes import write_persistently
from nightschool.tasks.runner import Runner

# Another program (a backup, a virus scanner) may hold the ledger for this long.
_TAKE_OVER_LIMIT_S = 60.0
# The end of a worker that died while it waited is known to this precision.
_HEARTBEAT_S = 60.0
_HEALTH_CHECK_S = 10.0
_log = logging.getLogger(__name__)


class _Consumer(Consumer):  # type: ignore[misc]
    def _set_signal_handlers(self) -> None:
        """The worker has handlers of its own, which let the child write a checkpoint first."""


def work(
    school: School,
    settings: Settings,
    until: Callable[[], bool] = lambda: False,
    every_s: float = 0.2,
    read_signals: Callable[[], Signals] | None = None,
    on_start: Callable[[], object] = lambda: None,
) -> bool:
    """Work on the school's runs until a signal arrives or `until()`, which is called every `every_s` seconds.

    Without `read_signals` it reads the signals of this computer. `on_start` is called once no other
    worker can run for the school. Returns whether a signal ended it; the
    running child then writes a checkpoint first. Raises WorkerRunning if another worker runs for the
    school, LedgerError if its ledger cannot be used.
    """
    log_once()
    files.make_folder(school.state)
    check_file_system(school.state)
    lock = filelock.FileLock(school.work_lock, mode=0o600)
    try:
        lock.acquire(timeout=1)  # longer than `worker_alive` holds it
    except filelock.Timeout:
        raise WorkerRunning(
            f"another worker (process {worker_alive(school) or 'unknown'}) already runs for this school",
            "`nightschool status` shows what it does",
        ) from None
    school_lock: SchoolLock | None = None
    try:
        last_heartbeat = _last_heartbeat(school)
        school_lock = lock_to_work(school.state, _log.warning)
        files.clean(school.state, starting=True)
        files.write(_heartbeat_file(school), json.dumps({"pid": os.getpid()}), durable=False)
        on_start()
        deadline = time.monotonic() + _TAKE_OVER_LIMIT_S
        write_persistently(
            lambda: _take_over(school, last_heartbeat), lambda: time.monotonic() > deadline
        )
        complete_interrupted(school)
        prune_as_set(school)  # what a crash left, and what versions before this one kept
        try:
            return _consume(school, settings, until, every_s, read_signals, school_lock)
        finally:
            _leave(school)
    finally:
        if school_lock:
            school_lock.release()
        lock.release()


def _heartbeat_file(school: School) -> Path:
    """The file whose modification time is the worker's last sign of life."""
    return school.state / "worker.json"


def _last_heartbeat(school: School) -> float | None:
    try:
        return _heartbeat_file(school).stat().st_mtime
    except OSError:
        return None


def _beat(school: School) -> None:
    with suppress(OSError):
        os.utime(_heartbeat_file(school))


def _take_over(school: School, last_heartbeat: float | None) -> None:
    with Ledger(school.ledger_file) as ledger:
        ledger.take_over(last_heartbeat)


def _leave(school: School) -> None:
    """Record that no worker is left; if that fails, the next worker does it."""
    _beat(school)
    with suppress(LedgerError), Ledger(school.ledger_file) as ledger:
        ledger.decide(None, False, Reason.NO_WORKER)


def _consume(
    school: School,
    settings: Settings,
    until: Callable[[], bool],
    every_s: float,
    read_signals: Callable[[], Signals] | None,
    school_lock: SchoolLock,
) -> bool:
    logging.getLogger("huey").setLevel(logging.ERROR)
    scheduler: Scheduler | None = None

    runner = Runner(school, uuid.uuid4().hex, lambda: scheduler.veto() if scheduler else None)

    def perform(run: int, stage: StageName) -> bool:
        more = runner.perform(run, stage)
        prune_as_set(school)
        return more

    queue = open_queue(school, settings.queue.reveal(), perform)
    consumer = _Consumer(queue.huey, workers=1, periodic=False, initial_delay=0.1, max_delay=1.0)
    with _end_signals() as signalled:
        housekeeping = Housekeeping(school, settings, runner, read_signals)
        policy = PolicyTick(school, queue, settings.night, housekeeping.read_signals)
        scheduler = Scheduler(policy)
        housekeeping.schedule(scheduler)
        scheduler.add_job("heartbeat", _HEARTBEAT_S, lambda: _beat(school))
        consumer.start()
        scheduler.add_job("worker thread", _HEALTH_CHECK_S, consumer.check_worker_health)
        try:
            while not signalled.is_set() and not until():
                time.sleep(every_s)
                if school_lock.lost:
                    runner.gone_by = time.monotonic()  # what its child wrote now would be another's
                    school_lock.check()
                scheduler.recover()
                housekeeping.release_sleep()
        finally:
            runner.stopping.set()
            consumer.stop(graceful=True)
            scheduler.stop(housekeeping.close)
            queue.close()
        return signalled.is_set()


@contextmanager
def _end_signals() -> Iterator[Event]:
    """An event that is set when the system, a terminal or the owner asks this process to end."""
    signalled = Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        signalled.set()

    names = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    previous = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield signalled
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
