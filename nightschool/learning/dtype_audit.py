"""The audit: proof that no operation uses a forbidden dtype, and that a model holds none.

    with Audit() as audit:
        take_step(engine, task, 1, lambda: False)
    assert not audit.found and not held(engine.model, engine.optimizer)

A Turing card emulates bf16, slowly. `precision.py` therefore avoids it, and the audit finds what would
bring it back: a checkpoint's config, a library's default, a cast.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nightschool.config.errors import LearningError

_BF16 = (torch.bfloat16,)
_TORCHS_OWN = ("aten", "prim", "prims", "profiler")


class Forbidden(LearningError):
    """An operation took or returned a tensor of a forbidden dtype."""


@dataclass(frozen=True, slots=True)
class DtypeFinding:
    """An operation with a tensor of a forbidden dtype."""

    operation: str
    dtype: torch.dtype
    given: bool
    """Whether the operation returned the tensor, rather than took it"""
    where: str
    """The innermost line outside torch, as "file:line"; in a backward pass, the call of backward()"""

    def __str__(self) -> str:
        did = "returned" if self.given else "took"
        return f"{self.where}: {self.operation} {did} a tensor of {self.dtype}"


class Audit(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context that checks every operation within it, including the backward pass and the optimizer's.

    Autograd carries the context into its threads, and the audit also checks operators of other libraries
    that are written in Python. It cannot see inside a kernel (registers, Triton).
    """

    def __init__(self, forbidden: Collection[torch.dtype] = _BF16, strict: bool = False) -> None:
        """`strict`: raise Forbidden at the first finding instead of collecting them in `found`."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[DtypeFinding] = []
        self.operations: Counter[str] = Counter()
        """Number of calls of each operation"""
        self._forbidden = frozenset(forbidden)
        self._strict = strict

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = str(func)
        self.operations[name] += 1
        taken = _tensors((args, kwargs))
        self._check(name, taken, given=False)
        result = self._run(func, taken, args, kwargs or {})
        self._check(name, _tensors(result), given=True)
        return result

    def _run(
        self,
        func: torch._ops.OpOverload,
        taken: Sequence[torch.Tensor],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        if func.namespace in _TORCHS_OWN or not taken:
            return func(*args, **kwargs)
        # Calls the operator's implementation directly, with this mode active for what it calls.
        key = getattr(torch._C.DispatchKey, taken[0].device.type.upper())
        with self:
            return func.redispatch(torch._C.DispatchKeySet(key), *args, **kwargs)

    def _check(self, name: str, tensors: Sequence[torch.Tensor], given: bool) -> None:
        for dtype in {tensor.dtype for tensor in tensors} & self._forbidden:
            finding = DtypeFinding(name, dtype, given, _caller())
            self.found.append(finding)
            if self._strict:
                raise Forbidden(str(finding))


def held(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    forbidden: Collection[torch.dtype] = _BF16,
) -> list[str]:
    """The parts of a model and its optimizer that have, or compute in, a forbidden dtype: a line each.

    Covers parameters, their gradients and quantisation states, buffers and other tensors of modules,
    dtypes stored in modules (such as Linear4bit's compute_dtype), and the optimizer's states.
    """
    findings: list[str] = []
    for prefix, module in model.named_modules():
        own = {**vars(module), **module._parameters, **module._buffers}
        for name, value in own.items():
            findings += _within(f"{prefix}.{name}".lstrip("."), value, forbidden)
    for number, state in enumerate(optimizer.state.values() if optimizer is not None else ()):
        for name, value in state.items():
            findings += _within(f"optimizer state {number}.{name}", value, forbidden)
    return findings


def _within(name: str, value: Any, forbidden: Collection[torch.dtype]) -> Iterator[str]:
    if isinstance(value, torch.dtype) and value in forbidden:
        yield f"{name} = {value}"
    if not isinstance(value, torch.Tensor):
        return
    if value.dtype in forbidden:
        yield f"{name} is {value.dtype}"
    if value.is_leaf and value.grad is not None:
        yield from _within(f"{name}.grad", value.grad, forbidden)
    yield from _within_state(f"{name}.quant_state", getattr(value, "quant_state", None), forbidden)


def _within_state(name: str, state: Any, forbidden: Collection[torch.dtype]) -> Iterator[str]:
    """The same for a bitsandbytes QuantState, whose state2 is a QuantState, too."""
    if state is None:
        return
    for key, value in vars(state).items():
        if key == "state2":
            yield from _within_state(f"{name}.state2", value, forbidden)
        else:
            yield from _within(f"{name}.{key}", value, forbidden)


def _tensors(tree: object) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _caller() -> str:
    for frame, line in traceback.walk_stack(None):
        file = frame.f_code.co_filename
        if file != __file__ and "/torch/" not in file.replace("\\", "/"):
            return f"{file}:{line}"
    return "?"
