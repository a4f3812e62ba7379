"""The adapter: float32 LoRA on the base's frozen linear layers, with one autograd function per layer.

peft creates the adapter's weights, names them and writes them to disk. The arithmetic is done here: the
frozen weight is dequantised for the product and then dropped, only the layer's input is saved for the
backward pass, and the dropout mask is drawn again there instead of being stored.
LoRA: Hu et al. 2021, arXiv:2106.09685. NF4 and QLoRA: Dettmers et al. 2023, arXiv:2305.14314.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from types import MethodType
from typing import Any

import torch
from bitsandbytes.functional import dequantize_4bit
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel

from nightschool.config.errors import LearningError
from nightschool.config.settings import TrainSettings
from nightschool.learning.fast import kernels
from nightschool.learning.fast.layers import decoder_layers

# Numbers per block of bitsandbytes' 8-bit optimizer states.
_ALIGNED = 256


class Dropout:
    """The dropout of a micro-batch: a function of its seed and of the layer's number alone.

    So a recomputed layer, and a resumed run, drop the same elements.
    """

    def __init__(self, share: float, device: torch.device) -> None:
        self.keep = 1 - share
        self.on_device = kernels.available(device)
        """Whether kernels read the seed on the GPU, so that a CUDA graph can be replayed with other seeds"""
        self._seed: int | None = None
        self._key = torch.zeros((), dtype=torch.int64, device=device)
        self._generator = torch.Generator(device)

    @property
    def seed(self) -> int | None:
        """None: nothing is dropped, as in validation and scoring."""
        return self._seed

    @seed.setter
    def seed(self, seed: int | None) -> None:
        self._seed = seed
        if seed is not None and self.on_device:
            self._key.fill_(seed)

    @property
    def active(self) -> bool:
        return self._seed is not None and self.keep < 1

    def drop(self, x: torch.Tensor, layer: int, out: torch.Tensor | None = None) -> torch.Tensor:
        """`x` with the dropped elements set to zero; the others are not scaled. Written to `out` if given."""
        out = torch.empty_like(x) if out is None else out
        if self.on_device:
            return kernels.drop(x, self._key, layer, self.keep, out)
        self._generator.manual_seed(zlib.crc32(f"{self._seed} {layer}".encode()))
        kept = torch.empty_like(x).bernoulli_(self.keep, generator=self._generator)
        return torch.mul(x, kept, out=out)


@dataclass(slots=True)
class _FusedLora:
    """What a linear layer with an adapter needs besides its input and its two factors."""

    base: torch.nn.Linear
    scale: float
    dropout: Dropout
    number: int
    cast: tuple[torch.Tensor, torch.Tensor] | None = None
    """Both factors in the dtype of the base's arithmetic, kept up to date by `Weights`"""

    def weight(self) -> torch.Tensor:
        """The frozen weight, shape (out, in), in the dtype of the base's arithmetic."""
        weight = self.base.weight
        state = getattr(weight, "quant_state", None)
        if state is None:
            return weight.detach()
        dequantised = kernels.dequantise(weight.data, state)
        return dequantize_4bit(weight.data, state) if dequantised is None else dequantised


class _LoraLinear(torch.autograd.Function):
    """y = x W' + bias + scale * (drop(x) A') B'"""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, layer: _FusedLora
    ) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1]).contiguous()
        y = torch.nn.functional.linear(flat, layer.weight(), layer.base.bias)
        ctx.layer, ctx.dropped, ctx.scale = layer, layer.dropout.active, layer.scale
        dropped = flat
        if ctx.dropped:
            ctx.scale /= layer.dropout.keep
            dropped = layer.dropout.drop(flat, layer.number)
        low_a, low_b = layer.cast or (a.to(x.dtype), b.to(x.dtype))
        inner = dropped @ low_a.t()
        y.addmm_(inner, low_b.t(), alpha=ctx.scale)
        ctx.dtype = a.dtype
        ctx.save_for_backward(flat, inner, low_a, low_b)
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        flat, inner, a, b = ctx.saved_tensors
        layer: _FusedLora = ctx.layer
        dy = grads[0].reshape(-1, grads[0].shape[-1])
        dropped = layer.dropout.drop(flat, layer.number) if ctx.dropped else flat
        db = (dy.t() @ inner).to(ctx.dtype).mul_(ctx.scale)
        d_inner = (dy @ b).mul_(ctx.scale)
        da = (d_inner.t() @ dropped).to(ctx.dtype)
        del dropped  # as large as dx, and the step's memory peaks here
        if not ctx.needs_input_grad[0]:
            return None, da, db, None
        dx = d_inner @ a
        if ctx.dropped:
            layer.dropout.drop(dx, layer.number, dx)
        dx.addmm_(dy, layer.weight())
        return dx.view(*grads[0].shape[:-1], -1), da, db, None


def _forward(self: Any, x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    layer: _FusedLora = self.fused_lora
    result = _LoraLinear.apply(  # type: ignore[no-untyped-call]
        x, self.lora_A["default"].weight, self.lora_B["default"].weight, layer
    )
    assert isinstance(result, torch.Tensor)
    return result


def fresh(base: PreTrainedModel, settings: TrainSettings) -> tuple[PeftModel, Dropout]:
    """The base with a new float32 adapter, initialised from `train.seed`, and its dropout.

    Raises LearningError if `train.lora_targets` names layers that the base does not have.
    """
    within = {module for layer in decoder_layers(base) for module in layer.modules()}
    # Full names: other parts of a base, such as a vision tower, may have layers of the same name.
    names = {
        name: name.rsplit(".", 1)[-1]
        for name, module in base.named_modules()
        if module in within and isinstance(module, torch.nn.Linear)
    }
    linear = set(names.values())
    targets = set(settings.lora_targets) or linear
    if missing := targets - linear:
        raise LearningError(
            f"train.lora_targets: this base has no layer {', '.join(sorted(missing))}; "
            f"it has {', '.join(sorted(linear))}"
        )
    torch.manual_seed(settings.seed)
    config = LoraConfig(
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=[name for name, last in names.items() if last in targets],
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(base, config, autocast_adapter_dtype=True)
    assert isinstance(model, PeftModel)
    return model, fuse_lora(model, settings.lora_dropout)


def fuse_lora(model: PeftModel, dropout: float = 0.0) -> Dropout:
    """Let the adapter's layers compute as defined here; returns the handle on their dropout."""
    handle = Dropout(dropout, model.device)
    modules = [module for module in model.modules() if isinstance(module, LoraLayer)]
    for number, module in enumerate(modules):
        base = module.get_base_layer()
        assert isinstance(base, torch.nn.Linear)
        setattr(module, "fused_lora", _FusedLora(base, module.scaling["default"], handle, number))  # noqa: B010
        setattr(module, "forward", MethodType(_forward, module))  # noqa: B010
    return handle


class Weights:
    """The adapter's weights in one flat tensor: one update, one norm and one cast for all layers.

    Each weight starts at a multiple of 256 numbers, the block size of the 8-bit optimizers, so that no
    block spans two weights. The gaps stay zero.
    """

    def __init__(self, model: PeftModel, dtype: torch.dtype) -> None:
        """Move a model's adapter into one tensor; `dtype` is that of the base's arithmetic.

        Raises LearningError if the adapter is not float32.
        """
        parameters = [p for p in model.parameters() if p.requires_grad]
        if wrong := {str(p.dtype) for p in parameters} - {"torch.float32"}:
            raise LearningError(f"adapter weights are {wrong}, not float32: this is a bug")
        starts = [0, *accumulate(-(-p.numel() // _ALIGNED) * _ALIGNED for p in parameters)]
        self.parameter = torch.nn.Parameter(torch.zeros(starts[-1], device=model.device))
        self.gradient = self.parameter.grad = torch.zeros_like(self.parameter)
        self.cast = self.parameter.data.to(dtype)  # shares memory if that is float32
        cast = {}
        for start, p in zip(starts, parameters, strict=False):
            own, grad, cast[id(p)] = (
                whole[start : start + p.numel()].view_as(p)
                for whole in (self.parameter.data, self.gradient, self.cast)
            )
            own.copy_(p.data)
            p.data, p.grad = own, grad
        for module in model.modules():
            if isinstance(module, LoraLayer):
                a, b = (module.lora_A["default"].weight, module.lora_B["default"].weight)
                fused: Any = module.fused_lora
                fused.cast = cast[id(a)], cast[id(b)]
        self.refresh()

    def refresh(self) -> None:
        """Update the cast weights; call it after every change of the weights."""
        if self.cast.dtype is not torch.float32:
            self.cast.copy_(self.parameter.data)


def tensors(model: PeftModel) -> dict[str, torch.Tensor]:
    """The adapter's weights by name, sharing the model's memory."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def load(model: PeftModel, values: Mapping[str, torch.Tensor]) -> None:
    """Copy a checkpoint's weights into the adapter, bit for bit.

    Raises LearningError if the checkpoint's adapter has other layers.
    """
    own = tensors(model)
    if own.keys() != values.keys():
        raise LearningError(
            "the checkpoint's adapter does not match the layers of this base",
            "queue a new run with `nightschool run --new`",
        )
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value)
