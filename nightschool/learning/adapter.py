"""The adapter: float32 LoRA on the base's frozen linear layers, as one autograd function a layer.

peft makes the adapter's weights, names them and writes them to disk. The arithmetic is ours: the
frozen weight is dequantised straight into the product, nothing but the layer's input is kept
for the backward pass, and the dropout is drawn anew there instead of being stored.
LoRA: Hu et al. 2021, arXiv:2106.09685. NF4 and QLoRA: Dettmers et al. 2023, arXiv:2305.14314.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from bitsandbytes.functional import dequantize_4bit
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel

from nightschool.config.settings import TrainSettings
from nightschool.learning.errors import LearningError
from nightschool.learning.layers import decoder_layers


@dataclass(slots=True)
class Dropout:
    """The dropout of a pass: a function of its seed and the layer's number, and so of nothing else.

    A recomputed pass, and a resumed run, drop the same elements.
    """

    keep: float
    generator: torch.Generator
    seed: int | None = None
    """None: nothing is dropped (validation, scoring)."""

    def mask(self, like: torch.Tensor, seed: int) -> torch.Tensor:
        """Ones and zeros in the shape and dtype of `like`."""
        self.generator.manual_seed(seed)
        return torch.empty_like(like).bernoulli_(self.keep, generator=self.generator)


@dataclass(slots=True)
class _Layer:
    """What a linear layer with an adapter needs beside its input and its two factors."""

    base: torch.nn.Linear
    scale: float
    dropout: Dropout
    number: int

    def weight(self) -> torch.Tensor:
        """The frozen weight, shape (out, in), in the dtype that the base computes in."""
        weight = self.base.weight
        state = getattr(weight, "quant_state", None)
        return weight.detach() if state is None else dequantize_4bit(weight.data, state)


class _LoraLinear(torch.autograd.Function):
    """y = x W' + bias + scale * (drop(x) A') B'"""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, layer: _Layer
    ) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        weight = layer.weight()
        y = torch.nn.functional.linear(flat, weight, layer.base.bias)
        ctx.layer, ctx.seed, scale, dropped = layer, None, layer.scale, flat
        if layer.dropout.seed is not None and layer.dropout.keep < 1:
            ctx.seed = zlib.crc32(b"%d %d" % (layer.dropout.seed, layer.number))
            scale /= layer.dropout.keep
            dropped = flat * layer.dropout.mask(flat, ctx.seed)
        ctx.scale = scale
        inner = dropped @ a.to(x.dtype).t()
        y.addmm_(inner, b.to(x.dtype).t(), alpha=scale)
        ctx.save_for_backward(flat, inner, a, b)
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        flat, inner, a, b = ctx.saved_tensors
        layer: _Layer = ctx.layer
        dy = grads[0].reshape(-1, grads[0].shape[-1])
        mask = None if ctx.seed is None else layer.dropout.mask(flat, ctx.seed)
        db = (dy.t() @ inner).to(b.dtype).mul_(ctx.scale)
        d_inner = (dy @ b.to(dy.dtype)).mul_(ctx.scale)
        da = (d_inner.t() @ (flat if mask is None else flat * mask)).to(a.dtype)
        if not ctx.needs_input_grad[0]:
            return None, da, db, None
        if mask is None:
            dx = dy @ layer.weight()
            dx.addmm_(d_inner, a.to(dy.dtype))
        else:
            dx = torch.addcmul(dy @ layer.weight(), d_inner @ a.to(dy.dtype), mask)
        return dx.view(*grads[0].shape[:-1], -1), da, db, None


def _forward(self: Any, x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    layer: _Layer = self.quick
    result = _LoraLinear.apply(  # type: ignore[no-untyped-call]
        x, self.lora_A["default"].weight, self.lora_B["default"].weight, layer
    )
    assert isinstance(result, torch.Tensor)
    return result


def fresh(base: PreTrainedModel, settings: TrainSettings) -> tuple[PeftModel, Dropout]:
    """The base with a new float32 adapter, drawn from the seed.

    Raises LearningError where `lora_targets` names layers that the base does not have.
    """
    layers = decoder_layers(base)
    linear = {
        name.rsplit(".", 1)[-1]
        for layer in layers
        for name, module in layer.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    targets = set(settings.lora_targets) or linear
    if missing := targets - linear:
        raise LearningError(
            f"train.lora_targets: this base has no layer {', '.join(sorted(missing))}; "
            f"it has {', '.join(sorted(linear))}"
        )
    torch.manual_seed(settings.seed)
    top = settings.top_layers
    config = LoraConfig(
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=sorted(targets),
        layers_to_transform=list(range(len(layers)))[-top:] if top else None,
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(base, config, autocast_adapter_dtype=True)
    assert isinstance(model, PeftModel)
    return model, quicken(model, settings.lora_dropout)


def quicken(model: PeftModel, dropout: float = 0.0) -> Dropout:
    """Let the adapter's layers compute as this file does; returns the handle on their dropout."""
    handle = Dropout(1 - dropout, torch.Generator(model.device))
    modules = [module for module in model.modules() if isinstance(module, LoraLayer)]
    for number, module in enumerate(modules):
        base = module.get_base_layer()
        assert isinstance(base, torch.nn.Linear)
        setattr(module, "quick", _Layer(base, module.scaling["default"], handle, number))  # noqa: B010
        setattr(module, "forward", MethodType(_forward, module))  # noqa: B010
    return handle


def tensors(model: PeftModel) -> dict[str, torch.Tensor]:
    """The adapter's weights by name."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def load(model: PeftModel, values: Mapping[str, torch.Tensor]) -> None:
    """Put a checkpoint's weights into the adapter, bit for bit."""
    own = tensors(model)
    if own.keys() != values.keys():
        raise LearningError(
            "the checkpoint's adapter has other layers than this base: queue a new run"
        )
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value)


def trainable(model: PeftModel) -> Sequence[torch.nn.Parameter]:
    """The adapter's parameters. Raises LearningError where they are not float32."""
    found = [p for p in model.parameters() if p.requires_grad]
    if wrong := {str(p.dtype) for p in found} - {"torch.float32"}:
        raise LearningError(f"adapter weights are {wrong}, not float32: this is a bug")
    return found
