"""Whether a worker is there; apart from the worker, so that `status` need not load one."""

from __future__ import annotations

import json
import os

import filelock

from nightschool.config.paths import School


def worker_alive(school: School) -> int | None:
    """The process id of the worker that holds this school, or None.

    0 where there is one whose number is not known yet.
    """
    school.state.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(school.work_lock, timeout=0):
            return None
    except filelock.Timeout:
        try:
            return int(json.loads(school.state.joinpath("worker.json").read_text("utf-8"))["pid"])
        except (OSError, ValueError, KeyError):
            return 0


def own_pids(school: School) -> set[int]:
    """The process ids of this command, of the school's worker and of its children."""
    worker = worker_alive(school)
    return {os.getpid()} | (family(worker) if worker else set())


def family(pid: int) -> set[int]:
    """A process and all that it started, their children too; empty where it has ended."""
    import psutil

    try:
        return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
    except psutil.Error:
        return set()
