"""The trainer, read top to bottom: attach the adapter, step, checkpoint, stop when asked.

One optimizer step takes `effective_batch` notes in one or a few packs. The loss of a note is the
mean cross-entropy of its answer's tokens, the loss of a step the mean over its notes.

A run is exact: whatever it depends on is a function of the step's number (the notes, by a hash
order of each epoch; the dropout, by a seed; the learning rate) or is in the checkpoint (adapter,
optimizer, scaler). So a run that was interrupted anywhere ends with the same bits.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import bitsandbytes
import peft
import torch
import transformers
from bitsandbytes.optim.adamw import AdamW8bit, PagedAdamW8bit
from transformers import PreTrainedModel

from nightschool.config.settings import TrainSettings
from nightschool.learning import activations, adapter, checkpoints, lower
from nightschool.learning.checkpoints import Checkpoint
from nightschool.learning.choice import Choice
from nightschool.learning.device import Device
from nightschool.learning.encoding import Encoded
from nightschool.learning.errors import LearningError, Stopped
from nightschool.learning.graphs import Replay
from nightschool.learning.layers import decoder_stack, recompute
from nightschool.learning.packing import Batch, Layout, layout_for
from nightschool.learning.plan import Plan

Ended = Literal["finished", "chunk_done", "stopped", "out_of_memory"]

# Steps in a row without a finite loss that end a run: one may be a fluke of a batch.
_PATIENCE = 3


class Reporter(Protocol):
    """Where the trainer tells how far it is."""

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None: ...

    def say(self, kind: str, message: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Task:
    """What to train on what: fixed for the whole run."""

    notes: Sequence[Encoded]
    ids: Sequence[str]
    """The notes' content ids: their order in each epoch is derived from these."""
    sources: Sequence[str]
    """Where the notes are from, for messages."""
    validation: Sequence[Encoded]
    prefix: Sequence[int]
    """Token ids of the prompt that all notes begin with."""
    padding: int
    settings: TrainSettings
    identity: Mapping[str, str]
    """Fingerprints of dataset, prompt and base."""

    @property
    def longest(self) -> int:
        """The most tokens that a note has with its prompt and answer."""
        return max(len(note.prompt) + len(note.answer) for note in [*self.notes, *self.validation])

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.notes) / self.settings.effective_batch)

    @property
    def total_steps(self) -> int:
        return max(1, round(self.steps_per_epoch * self.settings.epochs))

    def indices(self, step: int) -> list[int]:
        """The indices of a step's notes (the step is 1-based)."""
        epoch, place = divmod(step - 1, self.steps_per_epoch)
        size = self.settings.effective_batch
        order = epoch_order(self.ids, self.settings.seed, epoch)
        return order[place * size : (place + 1) * size]

    def steps(self) -> Iterator[list[int]]:
        """The indices of each step's notes."""
        return (self.indices(step) for step in range(1, self.total_steps + 1))


@dataclass(slots=True)
class Trained:
    """How a chunk ended, and the whole history of the run so far."""

    ended: Ended
    step: int
    losses: list[list[float]] = field(default_factory=list)
    validation: list[list[float]] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    """Steps without a finite loss: they changed nothing."""


@dataclass(slots=True)
class Student:
    """The base with its adapter, ready to take steps."""

    model: peft.PeftModel
    layout: Layout
    budget: int
    dropout: adapter.Dropout
    weights: adapter.Weights
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    run: Callable[[Sequence[Encoded], float], torch.Tensor]
    """Adds a pack's gradients, times its notes' share of the step, and returns its loss times that."""
    choices: tuple[Choice, ...]


def prepare(
    base: PreTrainedModel, task: Task, plan: Plan, device: Device, place: lower.Place | None = None
) -> Student:
    """Attach a fresh adapter to a frozen base and make its steps lean.

    Where only upper layers are trained, those below run once, here, if there is a `place` to keep
    what they give. Raises LearningError where the settings do not fit the base, Stopped as `place`
    says.
    """
    settings = task.settings
    base.train(False)  # the only dropout is the adapter's
    layout, why = layout_for(base, task.prefix, task.padding, task.longest)
    model, dropout = adapter.fresh(base, settings)
    layers = decoder_stack(base)
    trained = list(layers)[-settings.top_layers :]
    below = None
    if settings.top_layers and place:
        notes = [*task.notes, *task.validation]
        layout, below = lower.leave_out(
            model, layers, len(trained), layout, notes, plan.budget, place
        )
    recompute(trained[: plan.recomputed])
    weights = adapter.Weights(model, base.dtype)
    optimizer, chosen = _optimizer(weights.parameter, settings, device)
    scaler = torch.amp.GradScaler(
        device.torch.type, init_scale=2.0**11, enabled=device.precision.scaler
    )

    def backward(batch: Batch) -> torch.Tensor:
        loss = summed_loss(model, batch)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def run(notes: Sequence[Encoded], share: float) -> torch.Tensor:
        return backward(layout.batch(notes, share))

    way = "padded rows" if layout.way == "rows" else "packs"
    choices = [chosen, Choice("batches", way, why), *([below] if below else [])]
    if device.torch.type == "cuda":
        if why_not := _no_graphs(layout, dropout):
            choices.append(Choice("CUDA graphs", "no", why_not))
        else:
            dropout.seed = 0
            run = Replay(layout, backward, list(_packs(task, layout, plan.budget))).run
            dropout.seed = None
            weights.gradient.zero_()
            choices.append(Choice("CUDA graphs", "yes", "a pass is launched at once"))
    return Student(
        model, layout, plan.budget, dropout, weights, optimizer, scaler, run, tuple(choices)
    )


def _no_graphs(layout: Layout, dropout: adapter.Dropout) -> str:
    """Why passes cannot be replayed, or ""."""
    if layout.way != "segments":
        return "their shapes differ too much without packs"
    if dropout.keep < 1 and not dropout.on_device:
        return "NVRTC, which compiles the dropout for them, is not found beside torch"
    return ""


def _packs(task: Task, layout: Layout, budget: int) -> Iterator[list[Encoded]]:
    """Every pack of a run."""
    for step in task.steps():
        notes = [task.notes[index] for index in step]
        for part in layout.split(notes, budget):
            yield [notes[index] for index in part]


def train(
    base: PreTrainedModel,
    task: Task,
    plan: Plan,
    device: Device,
    folder: Path,
    reporter: Reporter,
    should_stop: Callable[[], bool],
    kept: Path | None = None,
) -> Trained:
    """Train one chunk, from the newest checkpoint in `folder/checkpoints` if there is one.

    `kept` is where activations lie while only upper layers are trained (`folder/activations` if it
    is not given). Ends at a step border with a checkpoint: when all steps are done (then the adapter is in
    `folder/adapter`, loadable by peft), when the chunk's time is over, when `should_stop`, or when
    the device's memory did not suffice. Raises LearningError where the loss stays not finite or
    the disk is full.
    """
    settings = task.settings
    start, damaged = checkpoints.newest(folder / "checkpoints", device.torch)
    for line in damaged:
        before = f"step {start.step}" if start else "the beginning"
        reporter.say("warning", f"{line}; it is put aside, and training goes on from {before}")
    computed = {"token budget": str(plan.budget), **_versions(), "device": device.label}
    place = lower.Place(
        kept or folder / "activations",
        {
            **task.identity,
            **computed,
            "quantisation": settings.quantisation,
            "exact": str(settings.exact),
        },
        reporter.say,
        should_stop,
    )
    try:
        student = prepare(base, task, plan, device, place)
    except Stopped:
        return Trained("stopped", start.step if start else 0)
    for choice in student.choices:
        reporter.say("choice", f"{choice.name} = {choice.value} ({choice.reason})")

    identity = {**task.identity, "recipe": _recipe(settings, student), **computed}
    if settings.top_layers:
        identity["lower layers"] = student.layout.begins
    progress = Trained("finished", 0)
    if start is not None:
        for line in _changed(start.fingerprint, identity):
            reporter.say("warning", line)
        adapter.load(student.model, start.adapter)
        student.weights.refresh()
        student.optimizer.load_state_dict(dict(start.optimizer))
        if start.scaler:
            student.scaler.load_state_dict(dict(start.scaler))
        progress = Trained("finished", start.step, **start.history)
        reporter.say("state", f"goes on after step {start.step} of {task.total_steps}")

    def checkpoint() -> None:
        checkpoints.save(
            Checkpoint(
                step=progress.step,
                fingerprint=identity,
                adapter=adapter.tensors(student.model),
                optimizer=student.optimizer.state_dict(),
                scaler=student.scaler.state_dict(),
                history={
                    "losses": progress.losses,
                    "validation": progress.validation,
                    "skipped": progress.skipped,
                },
            ),
            folder / "checkpoints",
        )

    total = task.total_steps
    began = saved = time.monotonic()
    first = progress.step
    while progress.step < total:
        if should_stop():
            progress.ended = "stopped"
            break
        if progress.step > first and time.monotonic() - began >= settings.chunk_minutes * 60:
            progress.ended = "chunk_done"
            break
        step = progress.step + 1
        try:
            loss = take_step(student, task, step, should_stop)
        except Stopped:
            progress.ended = "stopped"
            break
        except torch.OutOfMemoryError:
            progress.ended = "out_of_memory"
            break
        progress.step = step
        if loss is None:
            _skip(progress, task, step, reporter)
        else:
            progress.losses.append([step, loss])
        if task.validation and (step % task.steps_per_epoch == 0 or step == total):
            progress.validation.append([step, _validate(student, task)])
        pace = (time.monotonic() - began) / (step - first)
        reporter.progress(step, total, loss, pace * (total - step))
        if time.monotonic() - saved >= settings.checkpoint_minutes * 60 and step < total:
            checkpoint()
            saved = time.monotonic()
    if progress.step > first or start is None:
        checkpoint()
    if progress.step == total:
        student.model.save_pretrained(str(folder / "adapter"))
        checkpoints.sync_tree(folder / "adapter")
        activations.drop(place.folder)
    return progress


def take_step(
    student: Student, task: Task, step: int, should_stop: Callable[[], bool]
) -> float | None:
    """One optimizer step (1-based); returns its loss in nats, or None where it is not finite.

    A step that is not finite changes nothing. Raises Stopped between two passes, with the adapter
    as it was before the step.
    """
    settings = task.settings
    for group in student.optimizer.param_groups:
        group["lr"] = settings.learning_rate * rate(step, task.total_steps, settings)
    try:
        losses = accumulate(student, task, step, should_stop)
        student.scaler.unscale_(student.optimizer)
        norm = torch.nn.utils.clip_grad_norm_([student.weights.parameter], settings.max_grad_norm)
        total = float(losses)
        # With a scaler, gradients that overflow are its business: it skips and lowers the scale.
        finite = math.isfinite(total) and (student.scaler.is_enabled() or bool(norm.isfinite()))
        if finite:
            student.scaler.step(student.optimizer)
            student.weights.refresh()
        student.scaler.update()
        return total if finite else None
    finally:
        student.weights.gradient.zero_()


def accumulate(
    student: Student, task: Task, step: int, should_stop: Callable[[], bool]
) -> torch.Tensor:
    """Add the gradients of a step's passes to the adapter's; returns the step's loss, shape ().

    Raises Stopped between two passes.
    """
    rows = [task.notes[index] for index in task.indices(step)]
    losses = []
    try:
        for number, part in enumerate(student.layout.split(rows, student.budget)):
            if should_stop():
                raise Stopped
            student.dropout.seed = (task.settings.seed * 1_000_003 + step) * 1024 + number
            losses.append(student.run([rows[index] for index in part], 1 / len(rows)))
        return torch.stack(losses).sum()
    finally:
        student.dropout.seed = None


def summed_loss(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """The sum over a batch's notes of their losses times their shares, in nats: at least float32, shape ()."""
    logits = batch.logits(model)
    logits = logits if logits.dtype is torch.float64 else logits.float()
    losses = torch.nn.functional.cross_entropy(logits, batch.target, reduction="none")
    return (losses * batch.weight.to(losses.dtype)).sum()


@torch.no_grad()
def _validate(student: Student, task: Task) -> float:
    """The mean loss over the validation notes, in nats."""
    notes, layout = task.validation, student.layout
    losses = [
        summed_loss(student.model, layout.batch([notes[index] for index in part]))
        for part in layout.split(notes, student.budget)
    ]
    mean = float(torch.stack(losses).sum()) / len(notes)
    if not math.isfinite(mean):
        raise LearningError(f"the validation loss is {mean}: set train.precision, then `run --new`")
    return mean


def _skip(progress: Trained, task: Task, step: int, reporter: Reporter) -> None:
    """Record a step without a finite loss. Raises LearningError where they follow each other."""
    progress.skipped.append(step)
    names = ", ".join(task.sources[index] for index in task.indices(step))
    if progress.skipped[-_PATIENCE:] == list(range(step - _PATIENCE + 1, step + 1)):
        raise LearningError(
            f"the loss is not finite in {_PATIENCE} steps in a row (the last, step {step}, had {names}): "
            "lower train.learning_rate or set train.precision, then `nightschool run --new`"
        )
    reporter.say("warning", f"the loss of step {step} is not finite: skipped ({names})")


def rate(step: int, total: int, settings: TrainSettings) -> float:
    """The learning rate of a step (1-based) as a share of the peak: linear warm-up, then the schedule."""
    warmup = max(1, round(settings.warmup * total))
    if step <= warmup:
        return step / warmup
    done = (step - warmup) / (total - warmup + 1)
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1 - done if settings.schedule == "linear" else 1.0


def epoch_order(ids: Sequence[str], seed: int, epoch: int) -> list[int]:
    """The notes' order in an epoch: by a hash, so the same on every machine and version."""
    keys = [hashlib.sha256(f"{seed}:{epoch}:{id_}".encode()).digest() for id_ in ids]
    return sorted(range(len(ids)), key=keys.__getitem__)


def _optimizer(
    parameter: torch.nn.Parameter, settings: TrainSettings, device: Device
) -> tuple[torch.optim.Optimizer, Choice]:
    name, reason = settings.optimizer, "train.optimizer"
    if name == "paged_adamw_8bit" and device.torch.type != "cuda":
        name, reason = "adamw", f"paged_adamw_8bit needs CUDA, and this is {device.torch.type}"
    kind = {
        "adamw": torch.optim.AdamW,
        "adamw_8bit": AdamW8bit,
        "paged_adamw_8bit": PagedAdamW8bit,
    }[name]
    optimizer = kind([parameter], lr=settings.learning_rate, weight_decay=settings.weight_decay)
    return optimizer, Choice("optimizer", name, reason)


_NO_NUMBERS = {"checkpoint_minutes", "chunk_minutes", "activation_checkpointing", "memory_gb"}


def _recipe(settings: TrainSettings, student: Student) -> str:
    """What of the settings changes the numbers (when to checkpoint, or what to recompute, does not)."""
    text = settings.model_dump_json(exclude=_NO_NUMBERS) + type(student.optimizer).__name__
    return hashlib.sha256(f"{text}{student.layout.way}".encode()).hexdigest()[:16]


def _versions() -> dict[str, str]:
    modules = (torch, transformers, peft, bitsandbytes)
    return {module.__name__: str(module.__version__) for module in modules}


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Lines on what differs from the checkpoint. Raises LearningError where going on makes no sense."""
    for key in ("dataset", "prompt", "base", "recipe"):
        if before.get(key) != now.get(key):
            raise LearningError(
                f"the checkpoint was made with another {key}: put it back as it was, or queue a new run"
            )
    for key, value in now.items():
        if before.get(key) != value:
            yield f"{key} was {before.get(key)} and is {value}: the run goes on, but is no longer bit-exact"


def adapter_sha256(folder: Path) -> str:
    """The hash of the adapter's weights file: equal hashes are equal adapters."""
    return hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()
