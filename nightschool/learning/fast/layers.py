"""The base's decoder layers: found, made lean, recomputed in the backward pass where memory needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from nightschool.config.errors import LearningError
from nightschool.learning.fast import kernels


def decoder_layers(model: PreTrainedModel) -> Sequence[torch.nn.Module]:
    """The decoder layers, lowest first. Raises LearningError where there is no stack of them."""
    depth = model.config.get_text_config().num_hidden_layers
    # A base that sees images may have a stack as deep for those.
    decoder: torch.nn.Module = model.get_decoder()  # type: ignore[no-untyped-call]
    for module in decoder.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == depth:
            return list(module)
    raise LearningError(
        f"{type(model).__name__}: no stack of {depth} decoder layers is found in it; "
        "set base in nightschool.toml to a decoder-only causal LM"
    )


def fuse_norms(model: PreTrainedModel) -> int:
    """Let RMS norms run as one kernel each; returns how many do.

    A norm's own code is the judge: it is replaced only where the fused one gives its numbers.
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
            wanted = module(probe).float()
            for offset in (0, 1):  # Gemma's weights are offsets from one
                scale = weight + offset
                got = torch.nn.functional.rms_norm(probe, scale.shape, scale, eps).float()
                # Norms of their own go through float32, whatever the weights are.
                eps32 = torch.finfo(torch.float32).eps
                slack = 8 * max(torch.finfo(weight.dtype).eps, eps32) * float(wanted.abs().max())
                if float((got - wanted).abs().max()) <= slack:
                    setattr(module, "forward", _fused(scale.detach(), eps))  # noqa: B010
                    fused += 1
                    break
    return fused


def _fused(scale: torch.Tensor, eps: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def forward(hidden: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.rms_norm(hidden, scale.shape, scale.to(hidden.dtype), eps)

    return forward


def fuse_swiglu(model: PreTrainedModel) -> int:
    """Let gated MLPs take one kernel for silu(gate) * up where the device has it; returns how many do.

    That keeps a third less of their activations. An MLP's own code is the judge, as with the norms.
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
            wanted, got = module(probe).float(), _gated(module)(probe).float()
        slack = 8 * torch.finfo(model.dtype).eps * float(wanted.abs().max())
        if float((got - wanted).abs().max()) <= slack:
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
    """Keep nothing but their input of these layers' forward pass; compute it again going back."""
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
    """Activation checkpointing (Chen et al. 2016, arXiv:1604.06174) without any random state.

    The layers' dropout is a function of a seed, so there is nothing else to keep or to restore.
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
