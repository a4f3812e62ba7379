"""The packed engine: a frozen base with an adapter, whose passes take packs of notes.

On CUDA, passes are replayed as graphs. `engine.py` documents the interface.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import peft
import torch
from transformers import PreTrainedModel

from nightschool.config.errors import LearningError, Stopped
from nightschool.learning.device import Device
from nightschool.learning.dtype_audit import held
from nightschool.learning.encoding import Encoded
from nightschool.learning.engine import EngineIdentity, OptimizerState
from nightschool.learning.fast import adapter, kernels
from nightschool.learning.fast.batch import Batch
from nightschool.learning.fast.graphs import Replay, reason_for_eager_passes
from nightschool.learning.fast.layers import decoder_layers, recompute
from nightschool.learning.fast.layout_choice import layout_for
from nightschool.learning.fast.loss import summed_loss, vocabulary_offsets
from nightschool.learning.fast.optimizers import make_optimizer, restore
from nightschool.learning.fast.packing import Layout
from nightschool.learning.memory_plan import MemoryPlan, Shape, validation_budget
from nightschool.learning.training_task import TrainingTask
from nightschool.stats.results import Choice

# Below torch's default of 2^16, so that fewer first steps are skipped until gradients no longer overflow.
_FIRST_SCALE = 2.0**11


@dataclass
class PackedEngine:
    """The engine that nightschool ships; it implements `engine.Engine`."""

    model: peft.PeftModel
    layout: Layout
    budget: int
    """Most tokens in a pass with gradients."""
    device: Device
    dropout: adapter.Dropout
    weights: adapter.Weights
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    offsets: torch.Tensor | None
    """float32, shape (vocabulary,): added to the logits of each answer's first token; None: nothing is"""
    choices: tuple[Choice, ...]
    graphs: Replay | None = None
    """The CUDA graphs that replay passes; None: passes run eagerly."""

    @classmethod
    def prepare(
        cls, base: PreTrainedModel, task: TrainingTask, plan: MemoryPlan, device: Device
    ) -> PackedEngine:
        """Attach a new adapter to a frozen base and make its steps fast.

        Raises LearningError if the settings do not suit the base.
        """
        settings = task.settings
        _refuse_bf16(base, device)
        base.train(False)  # the only dropout is the adapter's
        layout, reason = layout_for(
            base, task.prefix, task.padding, task.longest, device.precision.attention
        )
        model, dropout = adapter.fresh(base, settings)
        recompute(decoder_layers(base)[: plan.recomputed])
        weights = adapter.Weights(model, base.dtype)
        optimizer, chosen = make_optimizer(weights.parameter, settings, device)
        batches = "padded rows" if layout.way == "rows" else "packs"
        engine = cls(
            model=model,
            layout=layout,
            budget=plan.budget,
            device=device,
            dropout=dropout,
            weights=weights,
            optimizer=optimizer,
            scaler=torch.amp.GradScaler(
                device.torch.type, init_scale=_FIRST_SCALE, enabled=device.precision.scaler
            ),
            offsets=vocabulary_offsets(task.offsets, base),
            choices=(chosen, Choice("batches", batches, reason)),
        )
        if device.torch.type == "cuda":
            engine._replay_passes(base, task, plan)
        return engine

    def _replay_passes(self, base: PreTrainedModel, task: TrainingTask, plan: MemoryPlan) -> None:
        """Let passes be replayed as CUDA graphs, if the base and the memory allow it."""
        reserve = _reserve(base, plan)
        if reason := reason_for_eager_passes(base, self.layout, self.dropout, plan):
            choice = Choice("CUDA graphs", "no", reason)
            reserve(plan.budget)
        else:
            packs = list(_packs(task, self.layout, plan.budget))
            clear = self.weights.gradient.zero_
            self.graphs = Replay(self.layout, self.backward, packs, plan.graphs, clear, reserve)
            sizes = f"{plan.graphs} sizes of packs"
            choice = Choice("CUDA graphs", sizes, "one launch runs a whole pass")
        self.choices = (*self.choices, choice)

    @property
    def identity(self) -> EngineIdentity:
        return EngineIdentity(
            engine="packed",
            token_budget=self.budget,
            device=self.device.label,
            kernels="own" if kernels.available(self.device.torch) else "torch",
            optimizer=type(self.optimizer).__name__,
            layout=self.layout.way,
            graph_sizes=tuple(self.graphs.sizes) if self.graphs else (),
        )

    @property
    def batching(self) -> Layout:
        return self.layout

    @property
    def scales_gradients(self) -> bool:
        return self.scaler.is_enabled()

    def warm_up(self, should_stop: Callable[[], bool]) -> None:
        if self.graphs:
            self.graphs.make(should_stop)

    def backward(self, batch: Batch) -> torch.Tensor:
        """Add a batch's gradients to the adapter's; returns its summed loss, shape ()."""
        loss = summed_loss(self.model, batch, self.offsets)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def run_pass(self, notes: Sequence[Encoded], share: float) -> torch.Tensor:
        """Add the gradients of one pass; every note counts `share`. Returns its loss, shape ()."""
        if self.graphs:
            return self.graphs.run(notes, share)
        return self.backward(self.layout.batch(notes, share))

    def accumulate(
        self, notes: Sequence[Encoded], seed: int, should_stop: Callable[[], bool]
    ) -> torch.Tensor:
        losses = []
        for number, part in enumerate(self.layout.split(notes, self.budget)):
            if should_stop():
                raise Stopped
            self.dropout.seed = seed * 1024 + number
            losses.append(self.run_pass([notes[index] for index in part], 1 / len(notes)))
        return torch.stack(losses).sum()

    def update(self, loss: float, learning_rate: float, max_grad_norm: float) -> bool:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_([self.weights.parameter], max_grad_norm)
        finite = math.isfinite(loss) and bool(norm.isfinite())
        if finite:
            self.scaler.step(self.optimizer)
            self.weights.refresh()
        self.scaler.update()  # lowers the scale after gradients that overflowed
        return finite

    def discard_gradients(self) -> None:
        self.dropout.seed = None
        self.weights.gradient.zero_()

    @torch.no_grad()
    def validation_loss(self, notes: Sequence[Encoded], should_stop: Callable[[], bool]) -> float:
        losses = []
        for part in self.layout.split(notes, validation_budget(self.budget)):
            if should_stop():
                raise Stopped
            batch = self.layout.batch([notes[index] for index in part])
            losses.append(summed_loss(self.model, batch, self.offsets))
        return float(torch.stack(losses).sum()) / len(notes)

    def adapter_tensors(self) -> Mapping[str, torch.Tensor]:
        return adapter.tensors(self.model)

    def load_adapter(self, tensors: Mapping[str, torch.Tensor]) -> None:
        adapter.load(self.model, tensors)
        self.weights.refresh()

    def optimizer_state(self) -> OptimizerState:
        return OptimizerState(self.optimizer.state_dict(), self.scaler.state_dict())

    def load_optimizer_state(self, state: OptimizerState) -> None:
        if state.optimizer:
            restore(self.optimizer, state.optimizer)
        if state.scaler:
            self.scaler.load_state_dict(dict(state.scaler))

    def save_adapter(self, folder: Path) -> None:
        self.model.save_pretrained(str(folder))


def _refuse_bf16(base: PreTrainedModel, device: Device) -> None:
    """Raise LearningError if a base holds bf16 tensors while the device computes in another dtype."""
    if device.precision.compute is not torch.bfloat16 and (parts := held(base)):
        raise LearningError(
            f"{len(parts)} parts of the base are in bf16 (the first: {parts[0]}), but training "
            f"computes in {device.precision.name}",
            "set another base, then `run --new`",
        )


def _reserve(base: PreTrainedModel, plan: MemoryPlan) -> Callable[[int], None]:
    """A function that lets the allocator set up the blocks of a pass of that many tokens.

    Without it, the allocator cuts a layer's input, which stays, out of a large block that is free
    at that moment, and the next large tensor fits nowhere (H100, 3B, 5 GB: 9 % of what it held).
    """
    shape = Shape.of(base.config.to_dict())
    depth = len(decoder_layers(base))
    layers = max(1, depth - plan.recomputed)  # kept, or the one that is being recomputed
    blocks = [shape.intermediate] * (3 * layers + 1) + [shape.hidden] * (depth + 5 * layers + 4)

    def reserve(tokens: int) -> None:
        tensors = [torch.empty(tokens, n, dtype=base.dtype, device=base.device) for n in blocks]
        tensors.clear()

    return reserve


def _packs(task: TrainingTask, layout: Layout, budget: int) -> Iterator[list[Encoded]]:
    """Every pack of a run, and of its whole first epoch, whose steps are timed before a run starts."""
    for step in task.steps(least=task.steps_per_epoch):
        notes = [task.notes[index] for index in step]
        for part in layout.split(notes, budget):
            yield [notes[index] for index in part]
