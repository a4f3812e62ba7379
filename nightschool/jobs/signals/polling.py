"""A reading: one source's signals, taken in a thread of its own, since any source can hang."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from nightschool.jobs.signals.signal import Signal, unknown

LIMIT_S = 1.0
"""How long a source may take, before its signals are unknown."""
REST_S = 30.0
"""How long it is left alone, where it took longer than that; what must be seen at once rests less."""
PATIENCE_S = 0.1
"""How long a source is waited for where it was read a moment ago."""

Found = Mapping[str, Signal[Any]]
Pids = Callable[[], Collection[int]]
"""Gives the process ids of this program: the worker's and its children's."""


def uptime_s() -> float:
    """Seconds since some fixed moment, with those that the computer slept, where the system tells."""
    if sys.platform == "win32":
        return time.monotonic()  # there it counts them
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Reading:
    """The signals `names`, read by `read` at most every `every_s` seconds, never twice at a time.

    Nothing is raised. A `read` that hangs is waited for once; until it comes back, its signals are
    unknown at no cost, and then it is left alone for `rest_s` seconds.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        read: Callable[[], Found],
        every_s: float,
        rest_s: float = REST_S,
    ) -> None:
        self.names = names
        self._read = read
        self._every_s = every_s
        self._rest_s = rest_s
        self._found: tuple[float, Found] | None = None
        self._wait_s = every_s
        self._begun = 0.0
        self._running: threading.Thread | None = None

    def begin(self) -> None:
        """Read in the background, where the last time is long enough ago."""
        if self._running is not None and self._running.is_alive():
            return
        if self._found is None or uptime_s() - self._found[0] >= self._wait_s:
            self._begun = uptime_s()
            self._running = threading.Thread(
                target=self._take, name=f"reads {self.names[0]}", daemon=True
            )
            self._running.start()

    def signals(self) -> Found:
        """What was found, with its age; waits for what has begun, not longer than it may take."""
        fresh = self._fresh()
        left_s = self._begun + (PATIENCE_S if fresh else LIMIT_S) - uptime_s()
        if self._running is not None and left_s > 0:
            self._running.join(left_s)
        found = self._fresh()
        if found is None:
            waited = uptime_s() - self._begun
            remark = f"no answer for {waited:.0f} s; it is asked again when it comes back"
            return {name: unknown("none", remark) for name in self.names}
        age_s = uptime_s() - found[0]
        return {
            name: replace(signal, age_s=signal.age_s + age_s) for name, signal in found[1].items()
        }

    def _fresh(self) -> tuple[float, Found] | None:
        found = self._found
        if found is None or uptime_s() - found[0] > self._wait_s + LIMIT_S:
            return None
        return found

    def _take(self) -> None:
        begun = uptime_s()
        try:
            found = self._read()
        except Exception as error:
            remark = " ".join(f"{type(error).__name__}: {error}".split())
            found = {name: unknown("none", remark) for name in self.names}
        self._wait_s = self._every_s if uptime_s() - begun <= LIMIT_S else self._rest_s
        self._found = (begun, found)
