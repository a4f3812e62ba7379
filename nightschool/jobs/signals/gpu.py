"""What others do on the NVIDIA GPUs, their heat, and what slows them down: by NVML.

Source: NVML API reference. All GPUs count together: any of them may be the one that trains.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from nightschool.jobs.signals.polling import Pids, uptime_s
from nightschool.jobs.signals.signal import Signal, unknown

NAMES = ("gpu_programs", "gpu_load", "gpu_temperature", "gpu_throttled")
PCI_DEVICES = Path("/sys/bus/pci/devices")
LISTS_WINDOWS = sys.platform == "win32"
REAL_USE_PERCENT = 5.0
"""On Windows (WDDM) every program with a window is listed; one counts from this load on."""
WINDOW_S = 5.0
REST_S = 60.0
"""How long a laptop's GPU that nobody uses is left alone, so that it can fall asleep."""
_NONE = "no NVIDIA GPU"
_SLOWED = {
    0x04: "power limit",
    0x08: "hardware slowdown",
    0x20: "heat (software)",
    0x40: "heat (hardware)",
    0x80: "power brake",
}
Found = dict[str, Signal[Any]]


class Gpu:
    """NVML, initialised when it is first needed, and again after any failure (as after a suspend)."""

    def __init__(self, own_pids: Pids, nvml: Any = None, pci: Path = PCI_DEVICES) -> None:
        self._own_pids = own_pids
        self._nvml = nvml
        self._pci = pci
        self._begun = False
        self._kept: tuple[float, Found] | None = None

    def read(self) -> Found:
        """The four signals of the GPU."""
        if sys.platform == "darwin":
            return _nothing(_NONE)
        if self._nvml is None:
            import pynvml

            self._nvml = pynvml
        cards = nvidia_cards(self._pci)
        own = set(self._own_pids())
        if cards and all(_text(card / "power/runtime_status") == "suspended" for card in cards):
            self._end()  # asking would wake it
            return _nothing("kernel: the GPU sleeps")
        if self._kept and len(own) <= 1 and uptime_s() - self._kept[0] < REST_S:
            age_s = uptime_s() - self._kept[0]
            return {name: replace(signal, age_s=age_s) for name, signal in self._kept[1].items()}
        try:
            found, unused = self._ask(own)
        except self._nvml.NVMLError as error:
            self._end()
            return self._without(error, cards)
        may_sleep = cards and all(_text(card / "power/control") == "auto" for card in cards)
        self._kept = None
        if may_sleep and unused:
            self._end()  # as long as NVML is open, it stays awake
            self._kept = (uptime_s(), found)
        return found

    def _ask(self, own: set[int]) -> tuple[Found, bool]:
        """What NVML tells, and whether nobody uses any GPU. Raises NVMLError."""
        if not self._begun:
            self._nvml.nvmlInit()
            self._begun = True
        count = self._nvml.nvmlDeviceGetCount()
        if count == 0:
            self._end()
            return _nothing(_NONE), False
        handles = [self._nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        pids = [self._pids(handle) for handle in handles]
        found = [self._one(*pair, own) for pair in zip(handles, pids, strict=True)]
        unused = all(of_one.value == set() for of_one in pids)
        return _together(found), unused and all(of_one["gpu_load"].value == 0 for of_one in found)

    def _pids(self, handle: Any) -> Signal[set[int]]:
        processes = self._nvml.nvmlDeviceGetComputeRunningProcesses
        return self._first(lambda: {process.pid for process in processes(handle)})

    def _one(self, handle: Any, pids: Signal[set[int]], own: set[int]) -> Found:
        nvml = self._nvml
        loads = self._first(lambda: self._loads(handle))
        total = self._first(lambda: float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu))
        ours_there = len(own) > 1 if pids.value is None else bool(pids.value & own)
        return {
            "gpu_programs": self._programs(pids, loads, own),
            "gpu_load": _others_load(loads, own) if ours_there else total,
            "gpu_temperature": self._first(
                lambda: float(nvml.nvmlDeviceGetTemperatureV(handle, nvml.NVML_TEMPERATURE_GPU)),
                lambda: float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            ),
            "gpu_throttled": self._first(
                lambda: _slowed(nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)),
                lambda: _slowed(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)),
            ),
        }

    def _first(self, *ways: Callable[[], Any]) -> Signal[Any]:
        """What the first way gives that this GPU and driver support; any other failure is raised."""
        nvml = self._nvml
        missing = (
            nvml.NVMLError_NotSupported,
            nvml.NVMLError_FunctionNotFound,
            nvml.NVMLError_NoPermission,
        )
        remark = ""
        for way in ways:
            try:
                return Signal(way(), "NVML")
            except missing as error:
                remark = str(error)
        return unknown("NVML", remark)

    def _loads(self, handle: Any) -> dict[int, float]:
        """Each process's load in per cent, of the last seconds."""
        since_us = int((time.time() - WINDOW_S) * 1e6)
        try:
            samples = self._nvml.nvmlDeviceGetProcessUtilization(handle, since_us)
        except self._nvml.NVMLError_NotFound:  # nobody worked
            return {}
        loads: dict[int, float] = {}
        for sample in samples:
            if sample.timeStamp >= since_us and sample.smUtil <= 100:
                loads[sample.pid] = max(loads.get(sample.pid, 0.0), float(sample.smUtil))
        return loads

    def _programs(
        self, pids: Signal[set[int]], loads: Signal[dict[int, float]], own: set[int]
    ) -> Signal[tuple[str, ...]]:
        if pids.value is None:
            return unknown("NVML", pids.remark)
        others = pids.value - own
        if LISTS_WINDOWS:
            if loads.value is None:
                return unknown(
                    "NVML", f"Windows lists all programs, not their load: {loads.remark}"
                )
            others = {pid for pid in others if loads.value.get(pid, 0.0) >= REAL_USE_PERCENT}
        return Signal(tuple(sorted({_name(pid) for pid in others})), "NVML")

    def _without(self, error: Exception, cards: list[Path]) -> Found:
        """Either there is no NVIDIA GPU that could train, or it is there and cannot be asked."""
        nvml = self._nvml
        if isinstance(error, nvml.NVMLError_LibraryNotFound):
            return _nothing("no NVIDIA driver" if cards else _NONE)
        if isinstance(error, nvml.NVMLError_DriverNotLoaded) and not cards:
            return _nothing(_NONE)
        return {name: unknown("NVML", f"{error}; it is asked again") for name in NAMES}

    def _end(self) -> None:
        if self._begun:
            self._begun = False
            try:
                self._nvml.nvmlShutdown()
            except self._nvml.NVMLError:
                return  # it was lost


def nvidia_cards(pci: Path = PCI_DEVICES) -> list[Path]:
    """The NVIDIA GPUs that the kernel lists (Linux): vendor 10de, class 03 (display)."""
    if not pci.is_dir():
        return []
    return [
        path
        for path in sorted(pci.iterdir())
        if _text(path / "vendor") == "0x10de" and _text(path / "class").startswith("0x03")
    ]


def _nothing(source: str) -> Found:
    """Of a GPU that is not there, or sleeps."""
    return {
        "gpu_programs": Signal((), source),
        "gpu_load": Signal(0.0, source),
        "gpu_temperature": unknown(source, "nothing to measure"),
        "gpu_throttled": Signal((), source),
    }


def _others_load(loads: Signal[dict[int, float]], own: set[int]) -> Signal[float]:
    if loads.value is None:
        return unknown("NVML", f"it does not tell our load from others': {loads.remark}")
    load = sum(load for pid, load in loads.value.items() if pid not in own)
    return Signal(min(load, 100.0), "NVML")


def _slowed(bits: int) -> tuple[str, ...]:
    return tuple(name for bit, name in _SLOWED.items() if bits & bit)


def _together(found: list[Found]) -> Found:
    """Several GPUs as one: all programs and reasons, the highest load and temperature."""

    def joined(name: str, join: Any) -> Signal[Any]:
        signals = [of_one[name] for of_one in found]
        missing = next((signal for signal in signals if signal.value is None), None)
        return missing or Signal(join([signal.value for signal in signals]), signals[0].source)

    def union(tuples: list[Any]) -> tuple[str, ...]:
        return tuple(sorted(set().union(*tuples)))

    joins = dict(zip(NAMES, (union, max, max, union), strict=True))
    return {name: joined(name, join) for name, join in joins.items()}


def _name(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return f"process {pid}"


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""
