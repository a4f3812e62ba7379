"""Reads all signals at one moment: cheap enough for every second, never raises, never hangs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from nightschool.jobs.signals.gpu import NAMES as GPU_NAMES
from nightschool.jobs.signals.gpu import Gpu
from nightschool.jobs.signals.load import CpuLoad, disk_free, running
from nightschool.jobs.signals.polling import Pids, Reading
from nightschool.jobs.signals.signal import Signal, Signals, unknown


class Sensors:
    """One per process: keeps its connections, and slow readings for some seconds.

    `own_pids` returns the process ids of the worker and its children, whose load does not count.
    `suspending` returns the signal that the computer is about to sleep.
    """

    def __init__(
        self,
        folder: Path,
        exclusive: Collection[str],
        own_pids: Pids,
        suspending: Callable[[], Signal[bool]] | None = None,
    ) -> None:
        cpu, gpu = CpuLoad(own_pids), Gpu(own_pids)
        self._suspending = suspending or (lambda: unknown("none", "only a worker watches for it"))
        self._readings = [
            *_system_readings(own_pids),
            Reading(GPU_NAMES, gpu.read, every_s=2.0),
            Reading(("cpu_load",), lambda: {"cpu_load": cpu.read()}, every_s=1.0),
            Reading(("disk_free",), lambda: {"disk_free": disk_free(folder)}, every_s=5.0),
            Reading(
                ("programs",), lambda: {"programs": running(exclusive, own_pids())}, every_s=5.0
            ),
        ]

    def read(self) -> Signals:
        """The current signals. Takes a few milliseconds, at most about a second."""
        for reading in self._readings:
            reading.begin()
        signals: dict[str, Signal[Any]] = {}
        for reading in self._readings:
            signals.update(reading.signals())
        return Signals(**signals, suspending=self._is_suspending())

    def _is_suspending(self) -> Signal[bool]:
        try:
            return self._suspending()
        except Exception as error:
            return unknown("none", f"{type(error).__name__}: {error}")


def _system_readings(own_pids: Pids) -> list[Reading]:
    if sys.platform == "win32":
        from nightschool.jobs.signals.windows import readings  # lazy: Windows only
    elif sys.platform == "darwin":
        from nightschool.jobs.signals.macos import readings  # lazy: macOS only
    else:
        from nightschool.jobs.signals.linux import readings  # lazy: Linux only
    return readings(own_pids)
