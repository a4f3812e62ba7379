"""Whether a worker is there; apart from the worker, so that `status` need not load one."""

from __future__ import annotations

import json

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
