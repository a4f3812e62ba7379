"""The precision of training and scoring: one decision, from the device and its compute capability."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nightschool.learning.errors import LearningError


@dataclass(frozen=True, slots=True)
class Precision:
    """Adapters are float32 everywhere; `compute` is the dtype of the frozen base's arithmetic."""

    name: str
    compute: torch.dtype
    scaler: bool
    reason: str


_FP32 = torch.float32
_FP16 = torch.float16
_BF16 = torch.bfloat16


def choose(device_type: str, capability: tuple[int, int] | None, wanted: str = "auto") -> Precision:
    """The precision for a device ("cuda", "mps" or "cpu") of a CUDA compute capability.

    torch.cuda.is_bf16_supported() is no help: it counts emulation, and so says yes on Turing.
    Raises LearningError where `wanted` cannot run on the device.
    """
    where = f"compute capability {capability[0]}.{capability[1]}" if capability else device_type
    native_bf16 = capability is not None and capability >= (8, 0)
    if wanted == "auto":
        if device_type != "cuda":
            return Precision(
                "fp32", _FP32, False, f"{device_type}: float32 is exact and runs everywhere"
            )
        if native_bf16:
            return Precision("bf16", _BF16, False, f"{where} has native bf16 (8.0 and later)")
        return Precision(
            "fp16", _FP16, True,
            f"{where} has no native bf16 (that begins with 8.0): fp16 autocast with a gradient scaler",
        )  # fmt: skip
    if wanted == "bf16" and device_type == "cuda" and not native_bf16:
        raise LearningError(
            f'train.precision = "bf16", but {where} only emulates it: set it to "auto" or "fp16"'
        )
    if wanted == "fp16" and device_type == "cpu":
        raise LearningError('train.precision = "fp16" needs a GPU: set it to "auto" or "fp32"')
    compute = {"fp32": _FP32, "fp16": _FP16, "bf16": _BF16}[wanted]
    return Precision(wanted, compute, wanted == "fp16", "set by the owner")
