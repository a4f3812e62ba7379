"""The base's decoder layers: found, fused, and recomputed in the backward pass to save memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from nightschool.config.errors import LearningError
from nightschool.learning.fast import kernels


def decoder_layers(model: PreTrainedModel) -> Sequence[torch.nn.Module]:
    """The decoder layers, lowest first. Raises LearningError if the model has no stack of them."""
    depth = model.config.get_text_config().num_hidden_layers
    # Only within the decoder: a vision tower may have a stack of the same depth.
    decoder: torch.nn.Module = model.get_decoder()  # type: ignore[no-untyped-call]
    for module in decoder.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == depth:
            return list(module)
    raise LearningError(
        f"{type(model).__name__} has no stack of {depth} decoder layers",
        "set base in nightschool.toml to a decoder-only causal LM",
    )


def fuse_norms(model: PreTrainedModel) -> int:
    """Let each RMS norm run as one kernel; returns how many do.

    RMSNorm: Zhang and Sennrich 2019, arXiv:1910.07467. A norm is replaced only if the fused one gives the
    numbers of its own code on a probe.
    """
    fused = 0
    for module in model.modules():
        if not type(module).__name__.endswith("RMSNorm") or getattr(module, "weight", None) is None:
            continue
        weight = module.weight
        eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
        assert isinstance(weight, torch.Tensor)
        if not isinstance(eps, float):
            continue
        probe = torch.linspace(-2, 2, 2 * weight.numel(), device=weight.device)
        probe = probe.view(2, -1).to(weight.dtype)
        with torch.no_grad():
            expected = module(probe).float()
            for offset in (0, 1):  # Gemma's weights are offsets from 1
                scale = weight + offset
                actual = torch.nn.functional.rms_norm(probe, scale.shape, scale, eps).float()
                # The bases' own norms compute in float32, whatever the weights' dtype.
                eps32 = torch.finfo(torch.float32).eps
                slack = 8 * max(torch.finfo(weight.dtype).eps, eps32) * float(expected.abs().max())
                if float((actual - expected).abs().max()) <= slack:
                    setattr(module, "forward", _fused(scale.detach(), eps))  # noqa: B010
                    fused += 1
                    break
    return fused


def _fused(scale: torch.Tensor, eps: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def forward(hidden: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.rms_norm(hidden, scale.shape, scale.to(hidden.dtype), eps)

    return forward


def fuse_swiglu(model: PreTrainedModel) -> int:
    """Let gated MLPs use one kernel for silu(gate) * up, if the device has it; returns how many do.

    The kernel saves a third less of their activations. As with the norms, an MLP is replaced only if the
    result equals that of its own code.
    """
    silu = getattr(model.config.get_text_config(), "hidden_act", "") in ("silu", "swish")
    if not silu or not kernels.available(model.device):
        return 0
    fused = 0
    for module in model.modules():
        parts = [getattr(module, name, None) for name in ("gate_proj", "up_proj", "down_proj")]
        if not all(isinstance(part, torch.nn.Linear) for part in parts):
            continue
        width, inner = parts[0].in_features, parts[0].out_features  # type: ignore[union-attr]
        if inner % 8:
            continue
        probe = torch.linspace(-2, 2, 8 * width, device=model.device).view(1, 8, width)
        probe = probe.to(model.dtype)
        with torch.no_grad():
            expected, actual = module(probe).float(), _gated(module)(probe).float()
        slack = 8 * torch.finfo(model.dtype).eps * float(expected.abs().max())
        if float((actual - expected).abs().max()) <= slack:
            setattr(module, "forward", _gated(module))  # noqa: B010
            fused += 1
    return fused


def _gated(module: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    def forward(hidden: torch.Tensor) -> torch.Tensor:
        gate, up = module.gate_proj(hidden), module.up_proj(hidden)
        inner = kernels.SwiGLU.apply(gate, up)  # type: ignore[no-untyped-call]
        return module.down_proj(inner)  # type: ignore[no-any-return]

    return forward


def recompute(layers: Sequence[torch.nn.Module]) -> None:
    """Let these layers save only their input, and recompute their forward pass in the backward pass."""
    for layer in layers:
        setattr(layer, "forward", _recomputed(layer.forward))  # noqa: B010


def _recomputed(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(hidden_states, *args, **kwargs)
        if not hidden_states.requires_grad:
            hidden_states = hidden_states.detach().requires_grad_()
        made: list[Any] = []

        def once(hidden: torch.Tensor) -> torch.Tensor:
            output = forward(hidden, *args, **kwargs)
            made[:] = output[1:] if isinstance(output, tuple) else []
            return output[0] if isinstance(output, tuple) else output  # type: ignore[no-any-return]

        output = _Recompute.apply(once, hidden_states)  # type: ignore[no-untyped-call]
        return (output, *made) if made else output

    return run


class _Recompute(torch.autograd.Function):
    """Activation checkpointing (Chen et al. 2016, arXiv:1604.06174), without random state.

    The layers' dropout is a function of a seed, so no generator has to be saved and restored.
    """

    @staticmethod
    def forward(
        ctx: Any, run: Callable[[torch.Tensor], torch.Tensor], hidden: torch.Tensor
    ) -> torch.Tensor:
        ctx.run = run
        ctx.save_for_backward(hidden)
        with torch.no_grad():
            return run(hidden)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[None, torch.Tensor | None]:
        (kept,) = ctx.saved_tensors
        hidden = kept.detach().requires_grad_()
        with torch.enable_grad():
            output = ctx.run(hidden)
        torch.autograd.backward(output, grads[0])
        return None, hidden.grad
