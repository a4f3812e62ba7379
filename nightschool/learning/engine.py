"""What an engine must be able to do for the trainer: the arithmetic of training, behind one interface.

An engine holds a frozen base model with an adapter, and the optimizer of that adapter. The trainer
decides which notes each step takes, at which learning rate and with which dropout seed; when to
validate, to save and to stop. `fast/packed_engine.py` is the engine that nightschool ships.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch

from nightschool.learning.encoding import Encoded
from nightschool.stats.results import Choice


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """What an engine's numbers depend on, apart from the task: part of a run's fingerprint."""

    engine: str
    """The engine's name, for example "packed"."""
    token_budget: int
    """Most tokens in a pass with gradients."""
    device: str
    """The device and its arithmetic; see `Device.label`."""
    kernels: Literal["own", "torch"]
    """Whether the project's CUDA kernels run, or the operations of torch and bitsandbytes."""
    optimizer: str
    """The optimizer's class."""
    layout: str
    """How notes are batched; for the packed engine, see `fast.batch.Way`."""
    graph_sizes: tuple[int, ...] = ()
    """Sizes of the CUDA graphs in tokens, ascending; empty if passes run eagerly."""


@dataclass(frozen=True, slots=True)
class OptimizerState:
    """All that an optimizer carries from one step to the next."""

    optimizer: Mapping[str, Any]
    """torch's `state_dict` of the optimizer; empty: the optimizer starts without one."""
    scaler: Mapping[str, float | int]
    """torch's `state_dict` of the gradient scaler; empty if there is none."""


class Batching(Protocol):
    """How an engine groups notes into passes."""

    def split(self, notes: Sequence[Encoded], budget: int) -> list[list[int]]:
        """The indices of the notes in each pass; a pass computes at most `budget` tokens.

        A note longer than the budget gets a pass of its own.
        """
        ...

    def tokens(self, notes: Sequence[Encoded]) -> int:
        """The tokens that one pass over these notes computes, prompt and padding included."""
        ...


class Engine(Protocol):
    """A base model with an adapter in training.

    It is made from a frozen base, a `TrainingTask`, a `MemoryPlan` and a `Device`. Every method is
    deterministic: its numbers depend on its arguments, on the state that the trainer saves and
    restores, and on `identity`, and on nothing else. A run could not resume bit for bit otherwise.
    Losses are in nats. `should_stop` is polled between passes; a method that takes it raises Stopped
    as soon as it returns true.
    """

    @property
    def choices(self) -> Sequence[Choice]:
        """What the engine chose while it was made, with the reasons."""
        ...

    @property
    def identity(self) -> EngineIdentity:
        """What its numbers depend on, apart from the task."""
        ...

    @property
    def batching(self) -> Batching:
        """How it groups notes into passes."""
        ...

    @property
    def scales_gradients(self) -> bool:
        """Whether a gradient scaler is active, which may skip steps until it has found its scale."""
        ...

    def warm_up(self, should_stop: Callable[[], bool]) -> None:
        """Do what only a first pass does (compile, capture, allocate). It changes no number."""
        ...

    def accumulate(
        self, notes: Sequence[Encoded], seed: int, should_stop: Callable[[], bool]
    ) -> torch.Tensor:
        """Add the gradients of one step's notes to the adapter's, pass by pass.

        `seed` determines the dropout. Returns the mean loss, shape (), on the engine's device.
        `discard_gradients` must follow, also after Stopped.
        """
        ...

    def update(self, loss: float, learning_rate: float, max_grad_norm: float) -> bool:
        """Clip the accumulated gradients to `max_grad_norm` and apply them.

        Returns false, and changes neither adapter nor optimizer, if the loss or a gradient is not finite.
        """
        ...

    def discard_gradients(self) -> None:
        """Drop what `accumulate` left: gradients, and the dropout's seed."""
        ...

    def validation_loss(self, notes: Sequence[Encoded], should_stop: Callable[[], bool]) -> float:
        """The mean loss over `notes`, without dropout: the same loss that training minimises."""
        ...

    def adapter_tensors(self) -> Mapping[str, torch.Tensor]:
        """The adapter's float32 weights by name, sharing the engine's memory."""
        ...

    def load_adapter(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Copy weights into the adapter, bit for bit. Raises LearningError if the names differ."""
        ...

    def optimizer_state(self) -> OptimizerState:
        """The optimizer's state, sharing the engine's memory."""
        ...

    def load_optimizer_state(self, state: OptimizerState) -> None:
        """Restore the parts of `state` that are not empty."""
        ...

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter so that peft can load it: adapter_config.json and safetensors."""
        ...
