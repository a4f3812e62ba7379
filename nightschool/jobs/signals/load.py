"""What other programs do to the processor, how much disk is left, and which exclusive ones run."""

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
FIRST_LOOK_S = 0.2


class CpuLoad:
    """The load of the last `WINDOW_S` seconds by all processes but ours."""

    def __init__(self, own_pids: Pids) -> None:
        self._own_pids = own_pids
        self._own: dict[int, float] = {}
        self._own_total = 0.0
        self._looks: deque[tuple[float, float, float]] = (
            deque()
        )  # when, all seconds, others' busy ones

    def read(self) -> Signal[float]:
        """Per cent of all cores. The first time, and after a while, it looks twice, a moment apart."""
        if self._looks and uptime_s() - self._looks[-1][0] > WINDOW_S:
            self._looks.clear()
        if not self._looks:
            self._look()
            time.sleep(FIRST_LOOK_S)
        self._look()
        (begun, all_before, busy_before), (now, all_now, busy_now) = self._looks[0], self._looks[-1]
        if all_now <= all_before:
            return unknown("psutil", "the processor's clock stands still")
        share = (busy_now - busy_before) / (all_now - all_before)
        return Signal(min(max(100 * share, 0.0), 100.0), f"psutil, over {now - begun:.0f} s")

    def _look(self) -> None:
        now = uptime_s()
        times = psutil.cpu_times()
        # Linux counts the time of guests in user and nice, too.
        idle = times.idle + getattr(times, "iowait", 0.0)
        busy = sum(
            getattr(times, name, 0.0)
            for name in ("user", "nice", "system", "irq", "softirq", "steal")
        )
        self._looks.append((now, busy + idle, busy - self._own_s()))
        while len(self._looks) > 2 and now - self._looks[1][0] >= WINDOW_S:
            self._looks.popleft()

    def _own_s(self) -> float:
        """Seconds of processor time that our processes, also those that ended, were seen to use."""
        used = {}
        for pid in self._own_pids():
            try:
                times = psutil.Process(pid).cpu_times()
            except psutil.Error:  # it ended
                continue
            used[pid] = times.user + times.system
        self._own_total += sum(max(used[pid] - self._own.get(pid, 0.0), 0.0) for pid in used)
        self._own = used
        return self._own_total


def disk_free(folder: Path) -> Signal[float]:
    """Bytes free where the school lies."""
    try:
        return Signal(float(shutil.disk_usage(folder).free), f"disk of {folder}")
    except OSError as error:
        return unknown(f"disk of {folder}", f"{type(error).__name__}: {error.strerror}")


def running(names: Collection[str], own_pids: Collection[int]) -> Signal[tuple[str, ...]]:
    """Those of `names` that run, as they were written; case and a final .exe do not matter."""
    if not names:
        return Signal((), "no exclusive programs are set")
    wanted = {_plain(name): name for name in names}
    found = {
        wanted[_plain(process.info["name"] or "")]
        for process in psutil.process_iter(["name"])
        if process.pid not in own_pids and _plain(process.info["name"] or "") in wanted
    }
    return Signal(tuple(sorted(found)), "psutil")


def _plain(name: str) -> str:
    return name.casefold().removesuffix(".exe")
