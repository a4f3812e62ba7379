"""Reads a source's signals in a thread of its own, because any source can hang."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from nightschool.jobs.signals.signal import Signal, unknown

LIMIT_S = 1.0
"""How long a source may take before its signals are unknown."""
REST_S = 30.0
"""How long a source that took longer is left alone, unless its signals are urgent."""
PATIENCE_S = 0.1
"""How long to wait for a source that has a recent reading."""

NamedSignals = Mapping[str, Signal[Any]]
Pids = Callable[[], Collection[int]]
"""Returns the process ids of the worker and its children."""


def uptime_s() -> float:
    """Seconds since a fixed moment, including time asleep where the system counts it."""
    if sys.platform == "win32":
        return time.monotonic()  # includes time asleep on Windows
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Reading:
    """The signals `names`, read by `read` at most every `every_s` seconds, one call at a time.

    Never raises. If `read` hangs, callers wait for it once; until it returns, its signals are unknown
    at no cost, and afterwards it is left alone for `rest_s` seconds.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        read: Callable[[], NamedSignals],
        every_s: float,
        rest_s: float = REST_S,
    ) -> None:
        self.names = names
        self._read = read
        self._every_s = every_s
        self._rest_s = rest_s
        self._latest: tuple[float, NamedSignals] | None = None
        self._wait_s = every_s
        self._begun = 0.0
        self._running: threading.Thread | None = None

    def begin(self) -> None:
        """Start a reading in the background if one is due."""
        if self._running is not None and self._running.is_alive():
            return
        if self._latest is None or uptime_s() - self._latest[0] >= self._wait_s:
            self._begun = uptime_s()
            self._running = threading.Thread(
                target=self._take, name=f"reads {self.names[0]}", daemon=True
            )
            self._running.start()

    def signals(self) -> NamedSignals:
        """The newest reading, with its age; waits for one in progress, within its time limit."""
        fresh = self._fresh()
        left_s = self._begun + (PATIENCE_S if fresh else LIMIT_S) - uptime_s()
        if self._running is not None and left_s > 0:
            self._running.join(left_s)
        latest = self._fresh()
        if latest is None:
            waited = uptime_s() - self._begun
            remark = f"no answer for {waited:.0f} s; it is read again when it returns"
            return {name: unknown("none", remark) for name in self.names}
        age_s = uptime_s() - latest[0]
        return {
            name: replace(signal, age_s=signal.age_s + age_s) for name, signal in latest[1].items()
        }

    def _fresh(self) -> tuple[float, NamedSignals] | None:
        latest = self._latest
        if latest is None or uptime_s() - latest[0] > self._wait_s + LIMIT_S:
            return None
        return latest

    def _take(self) -> None:
        begun = uptime_s()
        try:
            signals = self._read()
        except Exception as error:
            remark = " ".join(f"{type(error).__name__}: {error}".split())
            signals = {name: unknown("none", remark) for name in self.names}
        self._wait_s = self._every_s if uptime_s() - begun <= LIMIT_S else self._rest_s
        self._latest = (begun, signals)
