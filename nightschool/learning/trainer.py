"""The trainer, read top to bottom: attach the adapter, step, checkpoint, stop when asked.

One optimizer step takes `effective_batch` notes in one or a few packs. The loss of a note is the
mean cross-entropy of its answer's tokens, the loss of a step the mean over its notes.

A run is exact: whatever it depends on is a function of the step's number (the notes, by a hash
order of each epoch; the dropout, by a seed; the learning rate) or is in the checkpoint (adapter,
optimizer, scaler). So a run that was interrupted anywhere ends with the same bits.
"""

from __future__ import annotations

import functools
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
from nightschool.learning import activations, adapter, checkpoints, kernels, lower
from nightschool.learning.checkpoints import Checkpoint
from nightschool.learning.choice import Choice
from nightschool.learning.device import Device, out_of_memory
from nightschool.learning.encoding import Encoded
from nightschool.learning.errors import LearningError, Stopped
from nightschool.learning.graphs import Replay
from nightschool.learning.layers import decoder_stack, recompute
from nightschool.learning.packing import Batch, Layout, layout_for
from nightschool.learning.plan import Plan, validation_budget
from nightschool.learning.stopping import best_step, should_end

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
    suffix: Sequence[int] = ()
    """Token ids of the prompt after the note, which all notes share too."""

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

    def steps(self, least: int = 0) -> Iterator[list[int]]:
        """The indices of each step's notes: of all steps, and of `least` if these are fewer."""
        size, count = self.settings.effective_batch, max(least, self.total_steps)
        for first in range(0, count, self.steps_per_epoch):
            order = epoch_order(self.ids, self.settings.seed, first // self.steps_per_epoch)
            for place in range(min(self.steps_per_epoch, count - first)):
                yield order[place * size : (place + 1) * size]


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
    graphs: bool
    """Whether `run` replays CUDA graphs."""
    choices: tuple[Choice, ...]
    kept: Path | None = None
    """Where activations of the layers that are left out are kept until training is done."""


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
    layout, why = layout_for(
        base, task.prefix, task.padding, task.longest, device.precision.attention
    )
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
    graphs = False
    if device.torch.type == "cuda":
        if why_not := _no_graphs(base, layout, dropout, plan):
            choices.append(Choice("CUDA graphs", "no", why_not))
        else:
            graphs = True
            packs = list(_packs(task, layout, plan.budget))
            run = Replay(layout, backward, packs, weights.gradient.zero_).run
            choices.append(Choice("CUDA graphs", "yes", "a pass is launched at once"))
    return Student(
        model, layout, plan.budget, dropout, weights, optimizer, scaler, run, graphs, tuple(choices),
        place.folder if place else None,
    )  # fmt: skip


def place_of(
    folder: Path, task: Task, plan: Plan, device: Device,
    say: Callable[[str, str], None], should_stop: Callable[[], bool],
) -> lower.Place:  # fmt: skip
    """Where and as what the activations below the trained layers are kept, in `folder`."""
    settings = task.settings
    identity = {
        **task.identity,
        **_computed(plan.budget, device),
        "quantisation": settings.quantisation,
        "exact": str(settings.exact),
    }
    return lower.Place(folder, identity, say, should_stop)


def _computed(budget: int, device: Device) -> dict[str, str]:
    """With what the numbers of a run are computed."""
    own = "own" if kernels.available(device.torch) else "torch's"
    return {"token budget": str(budget), **_versions(), "device": device.label, "kernels": own}


def _no_graphs(base: PreTrainedModel, layout: Layout, dropout: adapter.Dropout, plan: Plan) -> str:
    """Why passes cannot be replayed, or ""."""
    if not plan.graphs:
        return "there is no memory for them"
    if layout.way != "segments":
        return "their shapes differ too much without packs"
    if layout.kernel == "each":
        return "a note at a time has its attention, at places that a graph would fix"
    rope = getattr(base.config, "rope_parameters", None) or getattr(base.config, "rope_scaling", 0)
    if "dynamic" in str(rope):
        return "its rotary embedding looks at the lengths"
    if dropout.keep < 1 and not dropout.on_device:
        return "NVRTC, which compiles the dropout for them, is not found beside torch"
    return ""


def _packs(task: Task, layout: Layout, budget: int) -> Iterator[list[Encoded]]:
    """Every pack of a run, and of its first epoch: steps of that are timed before it begins."""
    for step in task.steps(least=task.steps_per_epoch):
        notes = [task.notes[index] for index in step]
        for part in layout.split(notes, budget):
            yield [notes[index] for index in part]


def train(
    student: Student,
    task: Task,
    device: Device,
    folder: Path,
    reporter: Reporter,
    should_stop: Callable[[], bool],
) -> Trained:
    """Train a prepared student for one chunk, from the newest checkpoint in `folder/checkpoints`
    if there is one.

    Ends at a step border with a checkpoint: when all steps are done, or the validation loss has not
    become better for `train.patience` epochs (then the adapter is in `folder/adapter`, loadable by
    peft: with a patience that of the best validation), when the chunk's time is over, when
    `should_stop`, or when the device's memory did not suffice. Raises LearningError where the loss
    stays not finite or the disk is full.
    """
    settings = task.settings
    for choice in student.choices:
        reporter.say("choice", f"{choice.name} = {choice.value} ({choice.reason})")

    identity = {
        **task.identity,
        "recipe": _recipe(settings, student),
        **_computed(student.budget, device),
        "passes": "graphs" if student.graphs else "eager",
    }
    if settings.top_layers:
        identity["lower layers"] = student.layout.begins
    # On the CPU: the device has no memory planned for a second copy of these.
    start, damaged = checkpoints.newest(folder / "checkpoints", torch.device("cpu"))
    for line in damaged:
        before = f"step {start.step}" if start else "the beginning"
        reporter.say("warning", f"{line}; it is put aside, and training goes on from {before}")
    progress = Trained("finished", 0)
    best: Mapping[str, torch.Tensor] = {}
    if start is not None:
        for line in _changed(start.fingerprint, identity):
            reporter.say("warning", line)
        adapter.load(student.model, start.adapter)
        student.weights.refresh()
        student.optimizer.load_state_dict(dict(start.optimizer))
        if start.scaler:
            student.scaler.load_state_dict(dict(start.scaler))
        progress, best = Trained("finished", start.step, **start.history), start.best
        reporter.say("state", f"goes on after step {start.step} of {task.total_steps}")

    def checkpoint() -> None:
        checkpoints.save(
            Checkpoint(
                step=progress.step,
                fingerprint=identity,
                adapter=adapter.tensors(student.model),
                best=best,
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
    while progress.step < total and not should_end(progress.validation, settings.patience):
        if should_stop():
            progress.ended = "stopped"
            break
        if progress.step > first and time.monotonic() - began >= settings.chunk_minutes * 60:
            progress.ended = "chunk_done"
            break
        step = progress.step + 1
        try:
            loss = take_step(student, task, step, should_stop)
            validate = task.validation and (step % task.steps_per_epoch == 0 or step == total)
            measured = _validate(student, task) if validate else None
        except Stopped:
            progress.ended = "stopped"
            break
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            progress.ended = "out_of_memory"
            break
        progress.step = step
        if loss is None:
            _skip(progress, task, step, reporter)
        else:
            progress.losses.append([step, loss])
        if measured is not None:
            progress.validation.append([step, measured])
            if settings.patience and best_step(progress.validation) == step:
                tensors = adapter.tensors(student.model)
                best = {name: weight.to("cpu", copy=True) for name, weight in tensors.items()}
        pace = (time.monotonic() - began) / (step - first)
        reporter.progress(step, total, loss, pace * (total - step))
        if time.monotonic() - saved >= settings.checkpoint_minutes * 60 and step < total:
            checkpoint()
            saved = time.monotonic()
    # What an update, or a validation, had half done when memory ran out is done again.
    if progress.ended != "out_of_memory" and (progress.step > first or start is None):
        checkpoint()
    if progress.ended == "finished":
        if best:
            _take_best(student, progress, total, best, reporter)
        student.model.save_pretrained(str(folder / "adapter"))
        checkpoints.sync_tree(folder / "adapter")
        if student.kept:
            activations.drop(student.kept)
    return progress


def _take_best(
    student: Student, progress: Trained, total: int, best: Mapping[str, torch.Tensor],
    reporter: Reporter,
) -> None:  # fmt: skip
    """Put the adapter of the best validation in place of the last step's."""
    adapter.load(student.model, best)
    step = best_step(progress.validation)
    early = f" (it ended after step {progress.step} of {total})" if progress.step < total else ""
    reporter.say("state", f"the adapter of step {step} is kept: its validation loss is best{early}")


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
        total = float(accumulate(student, task, step, should_stop))
        student.scaler.unscale_(student.optimizer)
        norm = torch.nn.utils.clip_grad_norm_([student.weights.parameter], settings.max_grad_norm)
        # With a scaler, gradients that overflow are its business: it skips and lowers the scale.
        finite = math.isfinite(total) and (student.scaler.is_enabled() or bool(norm.isfinite()))
        if finite:
            student.scaler.step(student.optimizer)
            student.weights.refresh()
        student.scaler.update()
        return total if finite else None
    finally:
        clear(student)


def accumulate(
    student: Student, task: Task, step: int, should_stop: Callable[[], bool]
) -> torch.Tensor:
    """Add the gradients of a step (1-based), pass by pass, to the adapter's; returns its loss, shape ().

    `clear` must follow, also where it raises Stopped between two passes.
    """
    rows = [task.notes[index] for index in task.indices(step)]
    losses = []
    for number, part in enumerate(student.layout.split(rows, student.budget)):
        if should_stop():
            raise Stopped
        student.dropout.seed = (task.settings.seed * 1_000_003 + step) * 1024 + number
        losses.append(student.run([rows[index] for index in part], 1 / len(rows)))
    return torch.stack(losses).sum()


def clear(student: Student) -> None:
    """Drop what `accumulate` left: the gradients, and the dropout's seed."""
    student.dropout.seed = None
    student.weights.gradient.zero_()


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
    budget = validation_budget(student.budget)
    losses = [
        summed_loss(student.model, layout.batch([notes[index] for index in part]))
        for part in layout.split(notes, budget)
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
    return list(_order(tuple(ids), seed, epoch))


@functools.lru_cache(maxsize=2)
def _order(ids: tuple[str, ...], seed: int, epoch: int) -> Sequence[int]:
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


_NO_NUMBERS = {
    "checkpoint_minutes", "chunk_minutes", "quick_minutes", "activation_checkpointing", "memory_gb",
}  # fmt: skip


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
