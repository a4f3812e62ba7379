"""The prepared: a frozen base with a fresh adapter, its steps made lean, ready for the trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import peft
import torch
from bitsandbytes.optim.adamw import AdamW8bit, PagedAdamW8bit
from transformers import PreTrainedModel

from nightschool.config.errors import LearningError
from nightschool.config.settings import TrainSettings
from nightschool.learning import dtype_audit
from nightschool.learning.auto_choice import AutoChoice
from nightschool.learning.device import Device
from nightschool.learning.encoding import Encoded
from nightschool.learning.fast import adapter
from nightschool.learning.fast.graphs import Replay
from nightschool.learning.fast.layers import decoder_layers, recompute
from nightschool.learning.fast.packing import Batch, Layout, layout_for
from nightschool.learning.memory_plan import MemoryPlan, Shape
from nightschool.learning.training_task import TrainingTask


@dataclass(slots=True)
class PreparedModel:
    """The base with its adapter, ready to take steps."""

    model: peft.PeftModel
    layout: Layout
    budget: int
    dropout: adapter.Dropout
    weights: adapter.Weights
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    offsets: torch.Tensor | None
    """The task's, over the vocabulary; None where there are none."""
    run: Callable[[Sequence[Encoded], float], torch.Tensor]
    """Adds a pack's gradients, times its notes' share of the step, and returns its loss times that."""
    graphs: Replay | None
    """What `run` replays passes with."""
    choices: tuple[AutoChoice, ...]


def prepare(
    base: PreTrainedModel,
    task: TrainingTask,
    plan: MemoryPlan,
    device: Device,
) -> PreparedModel:
    """Attach a fresh adapter to a frozen base and make its steps lean.

    Raises LearningError where the settings do not fit the base.
    """
    settings = task.settings
    if device.precision.compute is not torch.bfloat16 and (found := dtype_audit.held(base)):
        raise LearningError(
            f"{len(found)} parts of the base are in bf16 (the first: {found[0]}), where "
            f"{device.precision.name} is computed in: set another base, then `run --new`"
        )
    base.train(False)  # the only dropout is the adapter's
    layout, why = layout_for(
        base, task.prefix, task.padding, task.longest, device.precision.attention
    )
    model, dropout = adapter.fresh(base, settings)
    layers = decoder_layers(base)
    recompute(layers[: plan.recomputed])
    weights = adapter.Weights(model, base.dtype)
    optimizer, chosen = _optimizer(weights.parameter, settings, device)
    scaler = torch.amp.GradScaler(
        device.torch.type, init_scale=2.0**11, enabled=device.precision.scaler
    )

    offsets = _over_the_vocabulary(task.offsets, base)

    def backward(batch: Batch) -> torch.Tensor:
        loss = summed_loss(model, batch, offsets)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def run(notes: Sequence[Encoded], share: float) -> torch.Tensor:
        return backward(layout.batch(notes, share))

    way = "padded rows" if layout.way == "rows" else "packs"
    choices = [chosen, AutoChoice("batches", way, why)]
    graphs = None
    if device.torch.type == "cuda":
        claim = _claim(base, plan, len(layers))
        if why_not := _no_graphs(base, layout, dropout, plan):
            choices.append(AutoChoice("CUDA graphs", "no", why_not))
            claim(plan.budget)
        else:
            packs = list(_packs(task, layout, plan.budget))
            graphs = Replay(layout, backward, packs, plan.graphs, weights.gradient.zero_, claim)
            run = graphs.run
            sizes = f"{plan.graphs} sizes of packs"
            choices.append(AutoChoice("CUDA graphs", sizes, "a pass is launched at once"))
    return PreparedModel(
        model, layout, plan.budget, dropout, weights, optimizer, scaler, offsets, run, graphs,
        tuple(choices),
    )  # fmt: skip


def _claim(base: PreTrainedModel, plan: MemoryPlan, depth: int) -> Callable[[int], None]:
    """Lets the allocator set up the blocks of a pass, given its tokens: layers' inputs and MLPs'.

    Else it cuts an input, which stays, out of a large block that is free just then, and the next
    large one fits nowhere (H100, 3B, 5 GB: 9 % of what it held).
    """
    shape = Shape.of(base.config.to_dict())
    layers = max(1, depth - plan.recomputed)  # kept, or the one that is being recomputed
    blocks = [shape.intermediate] * (3 * layers + 1) + [shape.hidden] * (depth + 5 * layers + 4)

    def claim(tokens: int) -> None:
        held = [torch.empty(tokens, n, dtype=base.dtype, device=base.device) for n in blocks]
        held.clear()

    return claim


def _no_graphs(
    base: PreTrainedModel, layout: Layout, dropout: adapter.Dropout, plan: MemoryPlan
) -> str:
    """Why passes cannot be replayed, or ""."""
    if not plan.graphs:
        return "there is no memory for them"
    if layout.way != "segments":
        return "their shapes differ too much without packs"
    if layout.kernel == "each":
        return "a note at a time has its attention, at places that a graph would fix"
    config = base.config.get_text_config()
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", 0)
    if "dynamic" in str(rope):
        return "its rotary embedding looks at the lengths"
    if dropout.keep < 1 and not dropout.on_device:
        return "NVRTC, which compiles the dropout for them, is not found beside torch"
    return ""


def _packs(task: TrainingTask, layout: Layout, budget: int) -> Iterator[list[Encoded]]:
    """Every pack of a run, and of its first epoch: steps of that are timed before it begins."""
    for step in task.steps(least=task.steps_per_epoch):
        notes = [task.notes[index] for index in step]
        for part in layout.split(notes, budget):
            yield [notes[index] for index in part]


def _over_the_vocabulary(
    offsets: Mapping[int, float], base: PreTrainedModel
) -> torch.Tensor | None:
    """A task's offsets as float32 of shape (vocabulary,), or None where they change nothing."""
    if not any(offsets.values()):
        return None
    vector = torch.zeros(base.config.get_text_config().vocab_size)
    vector[list(offsets)] = torch.tensor(list(offsets.values()))
    return vector.to(base.device)


def summed_loss(
    model: torch.nn.Module, batch: Batch, offsets: torch.Tensor | None = None
) -> torch.Tensor:
    """The sum over a batch's notes of their losses times their weights, in nats: at least float32, shape ().

    `offsets`, of shape (vocabulary,), are added to the logits where an answer begins.
    """
    logits = batch.logits(model)
    logits = logits if logits.dtype is torch.float64 else logits.float()
    if offsets is not None:
        first = batch.first[:, None].to(logits.dtype)
        logits = torch.addcmul(logits, first, offsets.to(logits.dtype))
    losses = torch.nn.functional.cross_entropy(logits, batch.target, reduction="none")
    return (losses * batch.weight.to(losses.dtype)).sum()


def _optimizer(
    parameter: torch.nn.Parameter, settings: TrainSettings, device: Device
) -> tuple[torch.optim.Optimizer, AutoChoice]:
    name, reason = settings.optimizer, "train.optimizer"
    if name == "paged_adamw_8bit" and device.torch.type != "cuda":
        name, reason = "adamw", f"paged_adamw_8bit needs CUDA, and this is {device.torch.type}"
    kind = {
        "adamw": torch.optim.AdamW,
        "adamw_8bit": AdamW8bit,
        "paged_adamw_8bit": PagedAdamW8bit,
    }[name]
    optimizer = kind([parameter], lr=settings.learning_rate, weight_decay=settings.weight_decay)
    return optimizer, AutoChoice("optimizer", name, reason)


def restore(optimizer: torch.optim.Optimizer, state: Mapping[str, object]) -> None:
    """Load an optimizer's state; a paged one's into paged memory, where bitsandbytes leaves it outside."""
    optimizer.load_state_dict(dict(state))
    if not isinstance(optimizer, PagedAdamW8bit):
        return
    for parameter, kept in optimizer.state.items():
        for name in ("state1", "state2"):
            paged = optimizer.get_state_buffer(parameter, dtype=kept[name].dtype)  # type: ignore[no-untyped-call]
            kept[name] = paged.copy_(kept[name])
