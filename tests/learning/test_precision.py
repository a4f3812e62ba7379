from __future__ import annotations

import pytest
import torch

from nightschool.config.errors import LearningError
from nightschool.learning.precision import choose


@pytest.mark.parametrize(
    ("device", "capability", "wanted", "compute", "scaler"),
    [
        ("cuda", (7, 0), "auto", torch.float16, True),
        ("cuda", (7, 5), "auto", torch.float16, True),
        ("cuda", (8, 0), "auto", torch.bfloat16, False),
        ("cuda", (9, 0), "auto", torch.bfloat16, False),
        ("cuda", (9, 0), "fp16", torch.float16, True),
        ("cuda", (7, 5), "fp32", torch.float32, False),
        ("cpu", None, "auto", torch.float32, False),
        ("mps", None, "auto", torch.float32, False),
    ],
)
def test_the_compute_capability_decides(
    device: str, capability: tuple[int, int] | None, wanted: str, compute: torch.dtype, scaler: bool
) -> None:
    precision = choose(device, capability, wanted)
    assert (precision.compute, precision.scaler) == (compute, scaler)
    assert precision.reason


@pytest.mark.parametrize(
    ("device", "capability", "wanted"),
    [("cuda", (7, 5), "bf16"), ("cpu", None, "fp16"), ("cpu", None, "bf16")],
)
def test_what_the_device_cannot_do_is_refused_with_the_setting(
    device: str, capability: tuple[int, int] | None, wanted: str
) -> None:
    with pytest.raises(LearningError, match=r"train\.precision"):
        choose(device, capability, wanted)


def test_a_cpu_with_bf16_may_use_it_but_does_not_by_itself() -> None:
    assert choose("cpu", None, "bf16", cpu_bf16=True).compute is torch.bfloat16
    assert choose("cpu", None, "auto", cpu_bf16=True).compute is torch.float32


@pytest.mark.parametrize(
    ("device", "capability", "wanted", "flash", "kernel"),
    [
        ("cuda", (7, 0), "auto", True, "memory-efficient"),
        ("cuda", (7, 5), "auto", True, "memory-efficient"),
        ("cuda", (8, 0), "auto", True, "flash"),
        ("cuda", (8, 9), "fp16", True, "flash"),
        ("cuda", (8, 9), "auto", False, "memory-efficient"),
        ("cuda", (8, 9), "fp32", True, "each"),
        ("cpu", None, "auto", True, "each"),
        ("mps", None, "fp16", True, "each"),
    ],
)
def test_the_attention_kernel_is_chosen_with_a_reason(
    device: str, capability: tuple[int, int] | None, wanted: str, flash: bool, kernel: str
) -> None:
    precision = choose(device, capability, wanted, flash=flash)
    assert precision.attention == kernel
    assert precision.attention_reason
