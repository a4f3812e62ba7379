"""The GPU's signals from recorded answers of NVML, with the error classes of nvidia-ml-py."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

pytest.importorskip("pynvml")

import pynvml

from nightschool.jobs.signals import gpu as gpu_module
from nightschool.jobs.signals.gpu import NAMES, Gpu

OWN, CHILD, OTHER = 990_001, os.getpid(), os.getppid()
OTHER_NAME = psutil.Process(OTHER).name()


class Nvml:
    """Recorded NVML: each of `answers` is a value, or an NVML error code to raise."""

    NVML_TEMPERATURE_GPU = 0

    def __init__(self, **answers: Any) -> None:
        for name in dir(pynvml):
            if name.startswith("NVMLError"):
                setattr(self, name, getattr(pynvml, name))
        self.answers: dict[str, Any] = {
            "nvmlInit": None,
            "nvmlShutdown": None,
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetComputeRunningProcesses": [],
            "nvmlDeviceGetProcessUtilization": Code(pynvml.NVML_ERROR_NOT_FOUND),
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=0, memory=0),
            "nvmlDeviceGetTemperatureV": 48,
            "nvmlDeviceGetTemperature": 48,
            "nvmlDeviceGetCurrentClocksEventReasons": 0x1,
            "nvmlDeviceGetCurrentClocksThrottleReasons": 0x1,
        } | answers
        self.calls: list[str] = []

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def __getattr__(self, name: str) -> Any:
        def call(handle: int = 0, *_: Any) -> Any:
            self.calls.append(name)
            answer = self.answers[name]
            if isinstance(answer, list) and answer and isinstance(answer[0], tuple):
                answer = answer[handle][0]
            if isinstance(answer, Code):
                raise pynvml.NVMLError(answer)
            return answer

        return call


class Code(int):
    """An NVML error code."""


def computing(*pids: int) -> list[Any]:
    return [SimpleNamespace(pid=pid, usedGpuMemory=None) for pid in pids]


def loads(ago_s: float = 1, **of: int) -> list[Any]:
    at = int((time.time() - ago_s) * 1e6)
    pids = {"own": OWN, "child": CHILD, "other": OTHER}
    return [
        SimpleNamespace(pid=pids[who], timeStamp=at, smUtil=percent) for who, percent in of.items()
    ]


def rate(percent: int) -> Any:
    return SimpleNamespace(gpu=percent, memory=0)


@pytest.fixture
def pci(tmp_path: Path) -> Path:
    """A laptop's PCI devices: an NVIDIA GPU, its HDMI audio, and another vendor's GPU."""
    rows = {"0": ("0x8086", "0x030000"), "1": ("0x10de", "0x030200"), "2": ("0x10de", "0x040300")}
    for name, (vendor, kind) in rows.items():
        (tmp_path / name / "power").mkdir(parents=True)
        (tmp_path / name / "vendor").write_text(f"{vendor}\n", encoding="utf-8")
        (tmp_path / name / "class").write_text(f"{kind}\n", encoding="utf-8")
    status(tmp_path, "active")
    (tmp_path / "1/power/control").write_text("on\n", encoding="utf-8")
    return tmp_path


def status(pci: Path, word: str) -> None:
    (pci / "1/power/runtime_status").write_text(f"{word}\n", encoding="utf-8")


def read(pci: Path, own: Iterable[int] = (OWN, CHILD), **answers: Any) -> dict[str, Any]:
    gpu_signals = Gpu(lambda: set(own), Nvml(**answers), pci).read()
    assert set(gpu_signals) == set(NAMES)
    return {name.removeprefix("gpu_"): signal.value for name, signal in gpu_signals.items()}


def test_idle_gpu(pci: Path) -> None:
    assert read(pci) == {"programs": (), "load": 0, "temperature": 48, "throttled": ()}


def test_program_of_others_is_named_and_the_load_is_theirs(pci: Path) -> None:
    gpu_signals = read(
        pci,
        nvmlDeviceGetComputeRunningProcesses=computing(OTHER, 4_194_304 + 7),
        nvmlDeviceGetUtilizationRates=rate(80),
    )
    assert gpu_signals["programs"] == tuple(sorted([OTHER_NAME, "process 4194311"]))
    assert gpu_signals["load"] == 80


def test_own_training_is_neither_program_nor_load(pci: Path) -> None:
    gpu_signals = read(
        pci,
        nvmlDeviceGetComputeRunningProcesses=computing(CHILD),
        nvmlDeviceGetProcessUtilization=loads(child=97, other=0),
        nvmlDeviceGetUtilizationRates=rate(97),
    )
    assert (gpu_signals["programs"], gpu_signals["load"]) == ((), 0)


def test_game_beside_own_training_is_load(pci: Path) -> None:
    gpu_signals = read(
        pci,
        nvmlDeviceGetComputeRunningProcesses=computing(CHILD),
        nvmlDeviceGetProcessUtilization=[*loads(child=60, other=38), *loads(ago_s=60, other=99)],
        nvmlDeviceGetUtilizationRates=rate(98),
    )
    assert gpu_signals["load"] == 38


def test_load_is_unknown_if_the_driver_does_not_split_it(pci: Path) -> None:
    unsupported = Code(pynvml.NVML_ERROR_NOT_SUPPORTED)
    for processes in (computing(CHILD), unsupported):
        gpu_signals = read(
            pci,
            nvmlDeviceGetComputeRunningProcesses=processes,
            nvmlDeviceGetProcessUtilization=unsupported,
            nvmlDeviceGetUtilizationRates=rate(90),
        )
        assert gpu_signals["load"] is None
    assert gpu_signals["programs"] is None


def test_throttle_causes_are_named(pci: Path) -> None:
    assert read(pci, nvmlDeviceGetCurrentClocksEventReasons=0x1 | 0x2)["throttled"] == ()
    slowed = read(pci, nvmlDeviceGetCurrentClocksEventReasons=0x4 | 0x20 | 0x40)["throttled"]
    assert slowed == ("heat (hardware)", "heat (software)", "power limit")


def test_older_driver_is_queried_by_older_names(pci: Path) -> None:
    missing = Code(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    gpu_signals = read(
        pci,
        nvmlDeviceGetTemperatureV=missing,
        nvmlDeviceGetTemperature=71,
        nvmlDeviceGetCurrentClocksEventReasons=missing,
        nvmlDeviceGetCurrentClocksThrottleReasons=0x8,
    )
    assert (gpu_signals["temperature"], gpu_signals["throttled"]) == (71, ("hardware slowdown",))


def test_unsupported_query_is_unknown_and_the_rest_known(pci: Path) -> None:
    unsupported = Code(pynvml.NVML_ERROR_NOT_SUPPORTED)
    nvml = Nvml(nvmlDeviceGetTemperatureV=unsupported, nvmlDeviceGetTemperature=unsupported)
    gpu = Gpu(lambda: {OWN}, nvml, pci)
    gpu_signals = gpu.read()
    assert (gpu_signals["gpu_temperature"].value, gpu_signals["gpu_temperature"].remark) == (
        None,
        "Not Supported",
    )
    assert gpu_signals["gpu_load"].value == 0


def test_worst_of_several_gpus_counts(pci: Path) -> None:
    gpu_signals = read(
        pci,
        nvmlDeviceGetCount=2,
        nvmlDeviceGetComputeRunningProcesses=[([],), (computing(OTHER),)],
        nvmlDeviceGetUtilizationRates=[(rate(5),), (rate(60),)],
        nvmlDeviceGetTemperatureV=[(80,), (50,)],
        nvmlDeviceGetCurrentClocksEventReasons=[(0x4,), (0x40,)],
    )
    assert gpu_signals == {
        "programs": (OTHER_NAME,),
        "load": 60,
        "temperature": 80,
        "throttled": ("heat (hardware)", "power limit"),
    }


def test_only_working_programs_count_on_windows(pci: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_module, "LISTS_WINDOWS", True)
    listed = computing(OTHER, 4_194_311)
    gpu_signals = read(
        pci,
        nvmlDeviceGetComputeRunningProcesses=listed,
        nvmlDeviceGetProcessUtilization=loads(other=40),
        nvmlDeviceGetUtilizationRates=rate(40),
    )
    assert gpu_signals["programs"] == (OTHER_NAME,)
    assert read(pci, nvmlDeviceGetComputeRunningProcesses=listed)["programs"] == ()
    unsupported = Code(pynvml.NVML_ERROR_NOT_SUPPORTED)
    gpu_signals = read(
        pci,
        nvmlDeviceGetComputeRunningProcesses=listed,
        nvmlDeviceGetProcessUtilization=unsupported,
    )
    assert gpu_signals["programs"] is None


@pytest.mark.parametrize(
    ("code", "has_card", "source"),
    [
        ("LIBRARY_NOT_FOUND", False, "no NVIDIA GPU"),
        ("LIBRARY_NOT_FOUND", True, "no NVIDIA driver"),
        ("DRIVER_NOT_LOADED", False, "no NVIDIA GPU"),
        ("DRIVER_NOT_LOADED", True, None),
        ("LIB_RM_VERSION_MISMATCH", True, None),
        ("UNKNOWN", False, None),
    ],
)
def test_absent_gpu_is_known_and_a_failing_driver_unknown(
    pci: Path, tmp_path: Path, code: str, has_card: bool, source: str | None
) -> None:
    nvml = Nvml(nvmlInit=Code(getattr(pynvml, f"NVML_ERROR_{code}")))
    gpu_signals = Gpu(lambda: {OWN}, nvml, pci if has_card else tmp_path / "none").read()
    if source is None:
        assert all(
            signal.value is None and "queried again" in signal.remark
            for signal in gpu_signals.values()
        )
    else:
        assert gpu_signals["gpu_programs"].value == ()
        assert gpu_signals["gpu_load"].value == 0
        assert {signal.source for signal in gpu_signals.values()} == {source}


def test_driver_without_a_gpu_is_no_gpu(tmp_path: Path) -> None:
    assert read(tmp_path, nvmlDeviceGetCount=0)["programs"] == ()


@pytest.mark.parametrize(
    "call",
    ["nvmlDeviceGetCount", "nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetTemperatureV"],
)
def test_lost_gpu_is_unknown_until_it_returns(pci: Path, call: str) -> None:
    nvml = Nvml()
    gpu = Gpu(lambda: {OWN}, nvml, pci)
    good = nvml.answers[call]
    assert gpu.read()["gpu_temperature"].value == 48
    nvml.answers[call] = Code(pynvml.NVML_ERROR_GPU_IS_LOST)
    lost = gpu.read()
    assert all(signal.value is None and "GPU is lost" in signal.remark for signal in lost.values())
    nvml.answers[call] = good
    assert gpu.read()["gpu_temperature"].value == 48
    assert nvml.calls.count("nvmlInit") == 2
    assert nvml.calls.count("nvmlShutdown") == 1


def test_sleeping_gpu_is_not_woken(pci: Path) -> None:
    nvml = Nvml()
    status(pci, "suspended")
    gpu_signals = Gpu(lambda: {OWN}, nvml, pci).read()
    assert nvml.calls == []
    assert gpu_signals["gpu_load"].value == 0
    assert gpu_signals["gpu_programs"].source == "kernel: the GPU sleeps"


def test_unused_laptop_gpu_is_left_alone(pci: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(gpu_module, "uptime_s", lambda: now[0])
    (pci / "1/power/control").write_text("auto\n", encoding="utf-8")
    nvml, own = Nvml(), {OWN}
    gpu = Gpu(lambda: own, nvml, pci)
    assert gpu.read()["gpu_load"].age_s == 0
    now[0] += 50
    assert gpu.read()["gpu_load"].age_s == 50
    assert (nvml.calls.count("nvmlInit"), nvml.calls[-1]) == (1, "nvmlShutdown")
    now[0] += 11
    assert gpu.read()["gpu_load"].age_s == 0
    own.add(CHILD)  # while a child of ours runs, the GPU is read every time
    assert gpu.read()["gpu_load"].age_s == 0
    assert nvml.calls.count("nvmlInit") == 3


def test_desktop_gpu_stays_open(pci: Path) -> None:
    nvml = Nvml()
    gpu = Gpu(lambda: {OWN}, nvml, pci)
    for _ in range(3):
        gpu.read()
    assert nvml.calls.count("nvmlInit") == 1
    assert "nvmlShutdown" not in nvml.calls
