"""Programs, load, temperature and throttling of the NVIDIA GPUs, from NVML.

Source: NVML API reference. All GPUs count as one, because any of them may be the one that trains.
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
"""Windows (WDDM) lists every program with a window; one counts from this load on."""
WINDOW_S = 5.0
REST_S = 60.0
"""How long an unused laptop GPU is left alone, so that it can power down."""
_NONE = "no NVIDIA GPU"
_THROTTLE_BITS = {
    0x04: "power limit",
    0x08: "hardware slowdown",
    0x20: "heat (software)",
    0x40: "heat (hardware)",
    0x80: "power brake",
}
GpuSignals = dict[str, Signal[Any]]


class Gpu:
    """Initialises NVML on first use, and again after any failure, such as after a sleep."""

    def __init__(self, own_pids: Pids, nvml: Any = None, pci: Path = PCI_DEVICES) -> None:
        self._own_pids = own_pids
        self._nvml = nvml
        self._pci = pci
        self._initialised = False
        self._cached: tuple[float, GpuSignals] | None = None

    def read(self) -> GpuSignals:
        """The four GPU signals."""
        if sys.platform == "darwin":
            return _absent(_NONE)
        if self._nvml is None:
            import pynvml  # lazy: pynvml

            self._nvml = pynvml
        cards = nvidia_cards(self._pci)
        own = set(self._own_pids())
        if cards and all(_text(card / "power/runtime_status") == "suspended" for card in cards):
            self._shut_down()  # a query would wake the GPU
            return _absent("kernel: the GPU sleeps")
        if self._cached and len(own) <= 1 and uptime_s() - self._cached[0] < REST_S:
            age_s = uptime_s() - self._cached[0]
            return {name: replace(signal, age_s=age_s) for name, signal in self._cached[1].items()}
        try:
            signals, unused = self._query(own)
        except self._nvml.NVMLError as error:
            self._shut_down()
            return self._unavailable(error, cards)
        may_sleep = cards and all(_text(card / "power/control") == "auto" for card in cards)
        self._cached = None
        if may_sleep and unused:
            self._shut_down()  # open NVML keeps the GPU awake
            self._cached = (uptime_s(), signals)
        return signals

    def _query(self, own: set[int]) -> tuple[GpuSignals, bool]:
        """The signals, and whether all GPUs are unused. Raises NVMLError."""
        if not self._initialised:
            self._nvml.nvmlInit()
            self._initialised = True
        count = self._nvml.nvmlDeviceGetCount()
        if count == 0:
            self._shut_down()
            return _absent(_NONE), False
        handles = [self._nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        pids = [self._pids(handle) for handle in handles]
        gpus = [self._query_gpu(*pair, own) for pair in zip(handles, pids, strict=True)]
        unused = all(of_gpu.value == set() for of_gpu in pids)
        return _combined(gpus), unused and all(gpu["gpu_load"].value == 0 for gpu in gpus)

    def _pids(self, handle: Any) -> Signal[set[int]]:
        processes = self._nvml.nvmlDeviceGetComputeRunningProcesses
        return self._first_supported(lambda: {process.pid for process in processes(handle)})

    def _query_gpu(self, handle: Any, pids: Signal[set[int]], own: set[int]) -> GpuSignals:
        nvml = self._nvml
        loads = self._first_supported(lambda: self._loads(handle))
        total = self._first_supported(lambda: float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu))
        own_present = len(own) > 1 if pids.value is None else bool(pids.value & own)
        return {
            "gpu_programs": self._programs(pids, loads, own),
            "gpu_load": _others_load(loads, own) if own_present else total,
            "gpu_temperature": self._first_supported(
                lambda: float(nvml.nvmlDeviceGetTemperatureV(handle, nvml.NVML_TEMPERATURE_GPU)),
                lambda: float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            ),
            "gpu_throttled": self._first_supported(
                lambda: _throttle_causes(nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)),
                lambda: _throttle_causes(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)),
            ),
        }

    def _first_supported(self, *queries: Callable[[], Any]) -> Signal[Any]:
        """The result of the first query that this GPU and driver support; raises any other failure."""
        nvml = self._nvml
        missing = (
            nvml.NVMLError_NotSupported,
            nvml.NVMLError_FunctionNotFound,
            nvml.NVMLError_NoPermission,
        )
        remark = ""
        for query in queries:
            try:
                return Signal(query(), "NVML")
            except missing as error:
                remark = str(error)
        return unknown("NVML", remark)

    def _loads(self, handle: Any) -> dict[int, float]:
        """Each process's load over the last seconds, in percent."""
        since_us = int((time.time() - WINDOW_S) * 1e6)
        try:
            samples = self._nvml.nvmlDeviceGetProcessUtilization(handle, since_us)
        except self._nvml.NVMLError_NotFound:  # no process worked
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
                    "NVML", f"Windows lists all programs but not their load: {loads.remark}"
                )
            others = {pid for pid in others if loads.value.get(pid, 0.0) >= REAL_USE_PERCENT}
        return Signal(tuple(sorted({_name(pid) for pid in others})), "NVML")

    def _unavailable(self, error: Exception, cards: list[Path]) -> GpuSignals:
        """The signals if NVML fails: either no NVIDIA GPU can train, or one exists and cannot be queried."""
        nvml = self._nvml
        if isinstance(error, nvml.NVMLError_LibraryNotFound):
            return _absent("no NVIDIA driver" if cards else _NONE)
        if isinstance(error, nvml.NVMLError_DriverNotLoaded) and not cards:
            return _absent(_NONE)
        return {name: unknown("NVML", f"{error}; it is queried again") for name in NAMES}

    def _shut_down(self) -> None:
        if self._initialised:
            self._initialised = False
            try:
                self._nvml.nvmlShutdown()
            except self._nvml.NVMLError:
                return  # the GPU was lost


def nvidia_cards(pci: Path = PCI_DEVICES) -> list[Path]:
    """The NVIDIA GPUs that Linux lists: vendor 10de, class 03 (display)."""
    if not pci.is_dir():
        return []
    return [
        path
        for path in sorted(pci.iterdir())
        if _text(path / "vendor") == "0x10de" and _text(path / "class").startswith("0x03")
    ]


def _absent(source: str) -> GpuSignals:
    """The signals of a GPU that is absent or asleep."""
    return {
        "gpu_programs": Signal((), source),
        "gpu_load": Signal(0.0, source),
        "gpu_temperature": unknown(source, "there is no value"),
        "gpu_throttled": Signal((), source),
    }


def _others_load(loads: Signal[dict[int, float]], own: set[int]) -> Signal[float]:
    if loads.value is None:
        return unknown("NVML", f"it does not separate our load from others': {loads.remark}")
    load = sum(load for pid, load in loads.value.items() if pid not in own)
    return Signal(min(load, 100.0), "NVML")


def _throttle_causes(bits: int) -> tuple[str, ...]:
    return tuple(name for bit, name in _THROTTLE_BITS.items() if bits & bit)


def _combined(gpus: list[GpuSignals]) -> GpuSignals:
    """Several GPUs as one: all programs and causes, the highest load and temperature."""

    def joined(name: str, join: Any) -> Signal[Any]:
        signals = [gpu[name] for gpu in gpus]
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
