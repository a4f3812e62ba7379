"""The Turing policy, proven: a step in fp16 has no bf16 tensor, on any device."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from nightschool.learning.base import load_base
from nightschool.learning.device import Device
from nightschool.learning.dtype_audit import Audit, Forbidden, held
from nightschool.learning.fast import kernels
from nightschool.learning.fast.packed_engine import PackedEngine
from nightschool.learning.memory_plan import MemoryPlan
from nightschool.learning.precision import choose
from nightschool.learning.trainer import take_step
from tests.learning.conftest import task_on

BF16 = torch.bfloat16
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA")
    ),
]
on_each_device = pytest.mark.parametrize("kind", DEVICES)


class ThroughBf16(torch.autograd.Function):
    """Goes through bf16 on its way back only."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        return grads[0].to(BF16).to(grads[0].dtype)


class Bf16Steps(torch.optim.SGD):
    """Rounds its steps to bf16, many tensors a call."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        parameters = self.param_groups[0]["params"]
        torch._foreach_add_(parameters, [p.grad.to(BF16) for p in parameters])


@on_each_device
def test_it_finds_what_the_forward_pass_makes(kind: str) -> None:
    x = torch.ones(3, device=kind)
    with Audit() as audit:
        y = x.to(BF16)
        torch.stack([y, y])
    assert [finding.given for finding in audit.found] == [True, False, True]
    assert "test_dtype_audit.py" in str(audit.found[0]) and "_to_copy" in str(audit.found[0])


@on_each_device
@pytest.mark.parametrize("way", ["forward", "custom"])
def test_it_finds_what_the_backward_pass_makes(kind: str, way: str) -> None:
    x = torch.ones(3, device=kind, requires_grad=True)
    y = ThroughBf16.apply(x) if way == "custom" else x.view(3)  # type: ignore[no-untyped-call]
    if way == "forward":
        y.register_hook(lambda grad: grad.to(BF16).to(grad.dtype))
    with Audit() as audit:
        y.sum().backward()
    assert audit.found and all("_to_copy" in finding.operation for finding in audit.found)


@on_each_device
def test_it_finds_what_the_optimizer_makes_in_lists_of_tensors(kind: str) -> None:
    p = torch.nn.Parameter(torch.ones(3, device=kind))
    p.grad = torch.ones_like(p)
    with torch.no_grad(), Audit() as audit:
        Bf16Steps([p]).step()
    assert any("_foreach_add_" in finding.operation for finding in audit.found)


@on_each_device
def test_a_strict_audit_stops_at_the_first(kind: str) -> None:
    x = torch.ones(3, device=kind, requires_grad=True)
    y = ThroughBf16.apply(x).sum()  # type: ignore[no-untyped-call]
    with pytest.raises(Forbidden, match="bfloat16"), Audit(strict=True):
        y.backward()


@pytest.fixture
def seen_within() -> Iterator[str]:
    """An operator of another library, in Python, that goes through bf16 for itself."""
    with torch.library._scoped_library("nightschool_test", "DEF") as library:
        library.define("halve(Tensor x) -> Tensor")
        library.impl("halve", lambda x: x.to(BF16).to(x.dtype) / 2, "CPU")
        yield "halve"


def test_it_looks_into_other_libraries_operators(seen_within: str) -> None:
    with Audit() as audit:
        result = torch.ops.nightschool_test.halve(torch.ones(2))
    assert result.tolist() == [0.5, 0.5]
    assert audit.operations["nightschool_test.halve.default"] == 1
    assert audit.found


def turing(kind: str) -> Device:
    """What a Turing card gets, on whatever is there."""
    device = torch.device(kind, 0) if kind == "cuda" else torch.device(kind)
    return Device(device, choose("cuda", (7, 5)), 1, ())


PLAN = MemoryPlan(budget=100, recomputed=1, bytes={})


@on_each_device
@pytest.mark.parametrize("optimizer", ["adamw", "adamw_8bit", "paged_adamw_8bit"])
def test_a_step_under_the_turing_policy_has_no_bf16_anywhere(
    tiny_base: Path, kind: str, optimizer: str
) -> None:
    assert json.loads((tiny_base / "config.json").read_text("utf-8"))["dtype"] == "bfloat16"
    device, task = turing(kind), task_on(tiny_base, optimizer)
    base = load_base(tiny_base, device, "nf4")
    with Audit() as audit:
        engine = PackedEngine.prepare(base, task, PLAN, device)
        # The second step is the first with both factors of the adapter and states to go on from.
        losses = [take_step(engine, task, step, lambda: False) for step in (1, 2)]
    kept = held(engine.model, engine.optimizer)
    assert [str(finding) for finding in audit.found] == []
    assert kept == []
    assert None not in losses and engine.scaler.is_enabled()
    seen = " ".join(audit.operations)
    if not kernels.available(device.torch):  # these take the place of both
        assert "bitsandbytes.dequantize_4bit" in seen and "silu_backward" in seen
    assert len(engine.optimizer.state[engine.weights.parameter]) > 0
    assert engine.weights.cast.dtype is torch.float16


def test_it_names_all_that_a_model_and_its_optimizer_hold(tiny_base: Path) -> None:
    device = turing("cpu")
    engine = PackedEngine.prepare(
        load_base(tiny_base, device, "nf4"), task_on(tiny_base), PLAN, device
    )
    assert held(engine.model, engine.optimizer) == []
    layer = next(m for m in engine.model.modules() if hasattr(m, "compute_dtype"))
    parameter = engine.weights.parameter
    engine.optimizer.state[parameter]["exp_avg"] = torch.zeros(1, dtype=BF16)
    layer.compute_dtype = BF16  # type: ignore[assignment]
    layer.weight.quant_state.dtype = BF16  # type: ignore[union-attr]
    layer.weight.quant_state.state2.absmax = torch.zeros(1, dtype=BF16)  # type: ignore[union-attr]
    layer.register_buffer("planted", torch.zeros(1, dtype=BF16))
    layer.weights = torch.nn.Parameter(torch.zeros(1, dtype=BF16))
    layer.weights.grad = torch.zeros(1, dtype=BF16)
    lines = " ".join(held(engine.model, engine.optimizer))
    for name in (
        "optimizer state 0.exp_avg", "compute_dtype =", "quant_state.dtype =",
        "quant_state.state2.absmax", "planted is", "weights is", "weights.grad is",
    ):  # fmt: skip
        assert name in lines


def test_a_base_in_bf16_is_told_from_one_in_fp16(tiny_base: Path) -> None:
    ampere = Device(torch.device("cpu"), choose("cuda", (8, 6)), 1, ())
    task = task_on(tiny_base)
    engine = PackedEngine.prepare(load_base(tiny_base, ampere, "nf4"), task, PLAN, ampere)
    assert held(engine.model)
    with Audit() as audit:
        take_step(engine, task, 1, lambda: False)
    assert audit.found
