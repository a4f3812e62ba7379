"""Whether a worker runs, and whether it is in trouble; a module of its own so that `status` loads no worker."""

from __future__ import annotations

import os

import filelock

from nightschool.config import bounded_json, files
from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import PastDecision


def worker_alive(school: School) -> int | None:
    """The process id of the worker of this school; None if none runs, 0 if its id is not known yet."""
    if not school.work_lock.exists():
        return None
    try:
        with filelock.FileLock(school.work_lock, timeout=0, mode=0o600):
            return None
    except filelock.Timeout:
        try:
            pid = int(bounded_json.read(school.state / "worker.json")["pid"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return 0
        return pid if 0 < pid < 2**31 else 0
    except OSError as error:
        if files.denied(error) or files.no_room(error):
            return None  # on a read-only disk no worker can run; one of another user is not seen
        raise


TROUBLE = (Reason.BUG, Reason.QUEUE_DOWN)
"""Reasons that only the worker knows: they follow neither from the signals nor from the clock."""


def worker_trouble(school: School) -> PastDecision | None:
    """What stops the worker that runs, if it is in trouble; see `TROUBLE`."""
    if worker_alive(school) is None:
        return None
    with Ledger(school.ledger_file, writes=False) as ledger:
        newest = ledger.decisions(1)
    return newest[0] if newest and newest[0].reason in TROUBLE else None


def own_pids(school: School) -> set[int]:
    """The process ids of this command, of the school's worker and of its children."""
    worker = worker_alive(school)
    return {os.getpid()} | (family(worker) if worker else set())


def family(pid: int) -> set[int]:
    """The process ids of a process and of all its descendants; empty if it has ended."""
    import psutil  # lazy: psutil

    try:
        return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
    except psutil.Error:
        return set()
