"""The precision of training and scoring: one decision, made from the device and its compute capability."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nightschool.config.errors import LearningError


@dataclass(frozen=True, slots=True)
class Precision:
    """The dtype of the base's arithmetic and the attention kernel, with the reasons.

    Adapters, their gradients and the optimizer's states are float32 on every device. torch.autocast is
    not used: the base is loaded in `compute`, and each adapter layer casts its own factors.
    """

    name: str
    compute: torch.dtype
    """The dtype of the frozen base's arithmetic"""
    scaler: bool
    """Whether a gradient scaler is needed, because of float16's narrow range"""
    reason: str
    attention: str
    """The kernel for packs: "flash", "memory-efficient", or "each" (note by note, on any device)"""
    attention_reason: str


_COMPUTE = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def cpu_has_bf16() -> bool:
    """Whether this CPU has instructions for bf16 products (AVX512-BF16, AMX, Arm's BF16)."""
    able = torch.cpu.get_capabilities()
    return any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def choose(
    device_type: str,
    capability: tuple[int, int] | None,
    requested: str = "auto",
    *,
    flash: bool = True,
    cpu_bf16: bool = False,
) -> Precision:
    """The precision for a device ("cuda", "mps" or "cpu") with a CUDA compute capability.

    `flash`: whether torch was built with flash attention. `cpu_bf16`: see `cpu_has_bf16`.
    torch.cuda.is_bf16_supported() does not help: it counts emulation, and so returns true on Turing.
    MPS is untested: "auto" chooses float32 there, which needs no special support.
    Raises LearningError if the device cannot compute in the `requested` precision.
    """
    where = f"compute capability {capability[0]}.{capability[1]}" if capability else device_type
    native_bf16 = capability is not None and capability >= (8, 0)
    if requested == "auto":
        name, reason = _automatic(device_type, where, native_bf16)
    else:
        name, reason = requested, "train.precision"
        if requested == "bf16" and device_type == "cuda" and not native_bf16:
            raise LearningError(
                f'train.precision = "bf16", but {where} only emulates it',
                'set it to "auto" or "fp16"',
            )
        if requested == "bf16" and device_type == "cpu" and not cpu_bf16:
            raise LearningError(
                'train.precision = "bf16", but this CPU only emulates it',
                'set it to "auto" or "fp32"',
            )
        if requested == "fp16" and device_type == "cpu":
            raise LearningError(
                'train.precision = "fp16" is many times slower on a CPU',
                'set it to "auto" or "fp32"',
            )
    kernel, why = _attention(device_type, where, native_bf16, name, flash)
    return Precision(name, _COMPUTE[name], name == "fp16", reason, kernel, why)


def _automatic(device_type: str, where: str, native_bf16: bool) -> tuple[str, str]:
    if device_type == "cpu":
        # Measured with the demo's base on a CPU with AVX512-BF16: a step in bf16 took 0.87 to 0.99
        # of its time in float32. (In fp16: 14 times as long.)
        return "fp32", (
            "float32 gives nearly the same numbers on every CPU, and bf16 saves hardly any time, "
            "even where the CPU supports it"
        )
    if device_type != "cuda":
        return "fp32", "float32 runs on every device"
    if native_bf16:
        return "bf16", f"{where} has native bf16 (8.0 and later)"
    return "fp16", (
        f"{where} has no native bf16 (8.0 and later do): fp16 with a gradient scaler, "
        "adapters in float32"
    )


def _attention(
    device_type: str, where: str, ampere: bool, name: str, flash: bool
) -> tuple[str, str]:
    if device_type != "cuda":
        return "each", f"{device_type} has no kernel for sequences of unequal length"
    if name == "fp32":
        return "each", "the kernels for sequences of unequal length need 16-bit numbers"
    if not flash:
        return "memory-efficient", "this build of torch has no flash attention"
    if not ampere:
        return "memory-efficient", f"{where}: flash attention needs 8.0 or later"
    return "flash", f"{where} has flash attention (8.0 and later)"
