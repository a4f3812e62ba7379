"""The memory that a device gives, which is only pretended here."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nightschool.config.errors import DeviceBusy
from nightschool.config.settings import TrainSettings
from nightschool.learning import device as device_
from nightschool.learning.device import memory_capped, out_of_memory, pick
from nightschool.learning.memory_plan import MemoryLimit


@pytest.mark.parametrize(
    ("free", "message", "raised"),
    [
        (3.0, "CUDA out of memory", DeviceBusy),
        (7.5, "CUDA out of memory", RuntimeError),
        (3.0, "shapes do not fit", RuntimeError),
    ],
)
def test_memory_that_others_hold_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, free: float, message: str, raised: type[Exception]
) -> None:
    capped_to: list[Any] = []
    most = MemoryLimit(round(free * 1e9), 7_600_000_000, 300_000_000)
    monkeypatch.setattr(device_, "memory_limit", lambda *_: most)
    monkeypatch.setattr(device_, "cap_memory", lambda _, room: capped_to.append(room))
    settings = TrainSettings(device="cpu")
    with pytest.raises(raised) as error, memory_capped(pick(settings), settings):
        raise RuntimeError(message)
    assert capped_to == [most]
    if raised is DeviceBusy:
        assert str(error.value).endswith("3.0 of 7.6 GB are free, other programs hold the rest")


def test_on_a_cpu_nothing_is_capped() -> None:
    settings = TrainSettings(device="cpu")
    with pytest.raises(torch.OutOfMemoryError), memory_capped(pick(settings), settings):
        raise torch.OutOfMemoryError


def test_a_cpu_that_runs_out_of_memory_is_understood() -> None:
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert out_of_memory(error.value)
    windows = "[enforce fail at alloc_cpu.cpp:125] data. DefaultCPUAllocator: not enough memory: "
    assert out_of_memory(RuntimeError(f"{windows}you tried to allocate 9 bytes."))
    assert not out_of_memory(RuntimeError("shapes do not fit"))


def test_a_cpu_with_another_name_or_other_instructions_is_another_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu = pick(TrainSettings(device="cpu", threads=2))
    labels = {cpu.label}
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "NEON")
    labels.add(cpu.label)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"cpu_name": "Cortex-A76"})
    assert cpu.label == "Cortex-A76 (NEON), fp32, 2 threads"
    assert len({*labels, cpu.label}) == 3
