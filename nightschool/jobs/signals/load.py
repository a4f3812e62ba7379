"""CPU load of other programs, free disk space, and running exclusive programs."""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Collection
from pathlib import Path

import psutil

from nightschool.jobs.signals.polling import Pids, uptime_s
from nightschool.jobs.signals.signal import Signal, unknown

WINDOW_S = 10.0
FIRST_SAMPLE_S = 0.2


class CpuLoad:
    """The load of the last `WINDOW_S` seconds by all processes except ours."""

    def __init__(self, own_pids: Pids) -> None:
        self._own_pids = own_pids
        self._own: dict[int, float] = {}
        self._own_total = 0.0
        self._samples: deque[tuple[float, float, float]] = (
            deque()
        )  # time, total CPU seconds, busy CPU seconds of others

    def read(self) -> Signal[float]:
        """Percent of all cores. The first call, and one after a pause, takes two samples."""
        if self._samples and uptime_s() - self._samples[-1][0] > WINDOW_S:
            self._samples.clear()
        if not self._samples:
            self._sample()
            time.sleep(FIRST_SAMPLE_S)
        self._sample()
        (begun, all_before, busy_before), (now, all_now, busy_now) = (
            self._samples[0],
            self._samples[-1],
        )
        if all_now <= all_before:
            return unknown("psutil", "the CPU time counters did not advance")
        share = (busy_now - busy_before) / (all_now - all_before)
        return Signal(min(max(100 * share, 0.0), 100.0), f"psutil, over {now - begun:.0f} s")

    def _sample(self) -> None:
        now = uptime_s()
        times = psutil.cpu_times()
        # Linux includes the time of guests in user and nice.
        idle = times.idle + getattr(times, "iowait", 0.0)
        busy = sum(
            getattr(times, name, 0.0)
            for name in ("user", "nice", "system", "irq", "softirq", "steal")
        )
        self._samples.append((now, busy + idle, busy - self._own_s()))
        while len(self._samples) > 2 and now - self._samples[1][0] >= WINDOW_S:
            self._samples.popleft()

    def _own_s(self) -> float:
        """CPU seconds observed for our processes, including those that ended."""
        used = {}
        for pid in self._own_pids():
            try:
                times = psutil.Process(pid).cpu_times()
            except psutil.Error:  # it has ended
                continue
            used[pid] = times.user + times.system
        self._own_total += sum(max(used[pid] - self._own.get(pid, 0.0), 0.0) for pid in used)
        self._own = used
        return self._own_total


def disk_free(folder: Path) -> Signal[float]:
    """Free bytes on the school's disk."""
    try:
        return Signal(float(shutil.disk_usage(folder).free), f"disk of {folder}")
    except OSError as error:
        return unknown(f"disk of {folder}", f"{type(error).__name__}: {error.strerror}")


def running(names: Collection[str], own_pids: Collection[int]) -> Signal[tuple[str, ...]]:
    """The running programs among `names`, as spelled there; case and a final .exe are ignored."""
    if not names:
        return Signal((), "night.exclusive is empty")
    spelling = {_normalized(name): name for name in names}
    matches = {
        spelling[_normalized(process.info["name"] or "")]
        for process in psutil.process_iter(["name"])
        if process.pid not in own_pids and _normalized(process.info["name"] or "") in spelling
    }
    return Signal(tuple(sorted(matches)), "psutil")


def _normalized(name: str) -> str:
    return name.casefold().removesuffix(".exe")
