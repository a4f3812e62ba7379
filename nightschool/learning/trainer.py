"""The trainer, read top to bottom: go on from a checkpoint, step, validate, checkpoint, stop when asked.

`task.py` says what is trained in which order, `prepared.py` gets base and adapter ready for it.

One optimizer step takes `effective_batch` notes in one or a few packs. The loss of a note is the
mean cross-entropy of its answer's tokens, the loss of a step the mean over its notes; rare kinds are
helped as `balance.py` says.

A run is exact: whatever it depends on is a function of the step's number (the notes, by a hash
order of each epoch; the dropout, by a seed; the learning rate) or is in the checkpoint (adapter,
the best adapter so far, optimizer, scaler). So a run that was interrupted anywhere ends with the same bits.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import torch

from nightschool.config.errors import LearningError, Stopped
from nightschool.config.files import sync_tree
from nightschool.learning import checkpoints
from nightschool.learning.checkpoints import Checkpoint
from nightschool.learning.device import Device, out_of_memory
from nightschool.learning.early_stopping import best_step, should_end
from nightschool.learning.fast import adapter
from nightschool.learning.memory_plan import validation_budget
from nightschool.learning.prepared_model import PreparedModel, restore, summed_loss
from nightschool.learning.run_fingerprint import changes_since, fingerprint_of
from nightschool.learning.training_task import TrainingTask, rate

Ended = Literal["finished", "chunk_done", "stopped", "out_of_memory"]

# Steps in a row that are not finite, and end a run: one may be a fluke of a batch.
_PATIENCE = 3
# A scaler looks for a scale that gradients do not overflow with, from 2^11 (see `prepared`) down to 1.
_SCALER_PATIENCE = 12


class Reporter(Protocol):
    """Where the trainer tells how far it is."""

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None: ...

    def say(self, kind: str, message: str) -> None: ...


@dataclass(slots=True)
class ChunkResult:
    """How a chunk ended, and the whole history of the run so far."""

    ended: Ended
    step: int
    losses: list[list[float]] = field(default_factory=list)
    validation: list[list[float]] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    """Steps whose loss or gradients were not finite: they changed nothing."""


def train(
    prepared: PreparedModel,
    task: TrainingTask,
    device: Device,
    folder: Path,
    reporter: Reporter,
    should_stop: Callable[[], bool],
) -> ChunkResult:
    """Train a prepared prepared for one chunk, from the newest checkpoint in `folder/checkpoints`
    if there is one.

    Ends at a step border with a checkpoint: when all steps are done, or the validation loss has not
    become better for `train.patience` epochs (then the adapter is in `folder/adapter`, loadable by
    peft: with a patience that of the best validation), when the chunk's time is over, when
    `should_stop`, or when the device's memory did not suffice. Raises LearningError where the loss
    stays not finite or the disk is full.
    """
    settings = task.settings
    for choice in prepared.choices:
        reporter.say("choice", f"{choice.name} = {choice.value} ({choice.reason})")

    fingerprint = fingerprint_of(
        task,
        device,
        token_budget=prepared.budget,
        optimizer=prepared.optimizer,
        layout=prepared.layout.way,
        graph_sizes=prepared.graphs.sizes if prepared.graphs else (),
    )
    # On the CPU: the device has no memory planned for a second copy of these.
    start, damaged = checkpoints.newest(folder / "checkpoints", torch.device("cpu"))
    for line in damaged:
        before = f"step {start.step}" if start else "the beginning"
        reporter.say("warning", f"{line}; it is put aside, and training goes on from {before}")
    progress = ChunkResult("finished", 0)
    best: Mapping[str, torch.Tensor] = {}
    if start is not None:
        for line in changes_since(start.fingerprint, fingerprint):
            reporter.say("warning", line)
        adapter.load(prepared.model, start.adapter)
        prepared.weights.refresh()
        if start.fingerprint.optimizer == fingerprint.optimizer:
            restore(prepared.optimizer, start.optimizer)
        else:
            reporter.say("warning", "the optimizer's averages begin anew")
        if start.scaler:
            prepared.scaler.load_state_dict(dict(start.scaler))
        progress, best = ChunkResult("finished", start.step, **start.history), start.best
        reporter.say("state", f"goes on after step {start.step} of {task.total_steps}")

    def checkpoint() -> None:
        checkpoints.save(
            Checkpoint(
                step=progress.step,
                fingerprint=fingerprint,
                adapter=adapter.tensors(prepared.model),
                best=best,
                optimizer=prepared.optimizer.state_dict(),
                scaler=prepared.scaler.state_dict(),
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
    first, known = progress.step, len(progress.validation)
    try:
        while True:
            # Of the last step, or of that before this chunk, which was stopped on the way.
            if _is_due(task, progress):
                measured = _validate(prepared, task, should_stop)
                progress.validation.append([progress.step, measured])
                if settings.patience and best_step(progress.validation) == progress.step:
                    tensors = adapter.tensors(prepared.model)
                    best = {name: weight.to("cpu", copy=True) for name, weight in tensors.items()}
            if progress.step == total or should_end(progress.validation, settings.patience):
                break
            if should_stop():
                raise Stopped
            if progress.step > first and time.monotonic() - began >= settings.chunk_minutes * 60:
                progress.ended = "chunk_done"
                break
            step = progress.step + 1
            loss = take_step(prepared, task, step, should_stop)
            progress.step = step
            if loss is None:
                _skip(progress, task, prepared, reporter)
            else:
                progress.losses.append([step, loss])
            pace = (time.monotonic() - began) / (step - first)
            reporter.progress(step, total, loss, pace * (total - step))
            if time.monotonic() - saved >= settings.checkpoint_minutes * 60 and step < total:
                checkpoint()
                saved = time.monotonic()
    except Stopped:
        progress.ended = "stopped"
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        progress.ended = "out_of_memory"
    # What an update had half done when memory ran out is done again.
    changed = progress.step > first or len(progress.validation) > known or start is None
    if progress.ended != "out_of_memory" and changed:
        checkpoint()
    if progress.ended == "finished":
        if best:
            _take_best(prepared, progress, total, best, reporter)
        prepared.model.save_pretrained(str(folder / "adapter"))
        sync_tree(folder / "adapter")
    return progress


def _take_best(
    prepared: PreparedModel, progress: ChunkResult, total: int, best: Mapping[str, torch.Tensor],
    reporter: Reporter,
) -> None:  # fmt: skip
    """Put the adapter of the best validation in place of the last step's."""
    adapter.load(prepared.model, best)
    step = best_step(progress.validation)
    early = f" (it ended after step {progress.step} of {total})" if progress.step < total else ""
    reporter.say("state", f"the adapter of step {step} is kept: its validation loss is best{early}")


def take_step(
    prepared: PreparedModel, task: TrainingTask, step: int, should_stop: Callable[[], bool]
) -> float | None:
    """One optimizer step (1-based); returns its loss in nats, or None where that or a gradient is not finite.

    Such a step changes nothing. Raises Stopped between two passes, with the adapter
    as it was before the step.
    """
    settings = task.settings
    for group in prepared.optimizer.param_groups:
        group["lr"] = settings.learning_rate * rate(step, task.total_steps, settings)
    try:
        total = float(accumulate(prepared, task, step, should_stop))
        prepared.scaler.unscale_(prepared.optimizer)
        norm = torch.nn.utils.clip_grad_norm_([prepared.weights.parameter], settings.max_grad_norm)
        finite = math.isfinite(total) and bool(norm.isfinite())
        if finite:
            prepared.scaler.step(prepared.optimizer)
            prepared.weights.refresh()
        prepared.scaler.update()  # after gradients that overflowed it lowers the scale
        return total if finite else None
    finally:
        clear(prepared)


def accumulate(
    prepared: PreparedModel, task: TrainingTask, step: int, should_stop: Callable[[], bool]
) -> torch.Tensor:
    """Add the gradients of a step (1-based), pass by pass, to the adapter's; returns its loss, shape ().

    `clear` must follow, also where it raises Stopped between two passes.
    """
    rows = [task.notes[index] for index in task.indices(step)]
    losses = []
    for number, part in enumerate(prepared.layout.split(rows, prepared.budget)):
        if should_stop():
            raise Stopped
        prepared.dropout.seed = (task.settings.seed * 1_000_003 + step) * 1024 + number
        losses.append(prepared.run([rows[index] for index in part], 1 / len(rows)))
    return torch.stack(losses).sum()


def clear(prepared: PreparedModel) -> None:
    """Drop what `accumulate` left: the gradients, and the dropout's seed."""
    prepared.dropout.seed = None
    prepared.weights.gradient.zero_()


def _is_due(task: TrainingTask, progress: ChunkResult) -> bool:
    """Whether the validation after the last step is still to be done."""
    step = progress.step
    border = step > 0 and (step % task.steps_per_epoch == 0 or step == task.total_steps)
    done = bool(progress.validation) and progress.validation[-1][0] == step
    return bool(task.validation) and border and not done


@torch.no_grad()
def _validate(
    prepared: PreparedModel, task: TrainingTask, should_stop: Callable[[], bool]
) -> float:
    """The mean loss over the validation notes, in nats: the loss that is trained on.

    Raises Stopped between two passes.
    """
    notes, layout = task.validation, prepared.layout
    losses = []
    for part in layout.split(notes, validation_budget(prepared.budget)):
        if should_stop():
            raise Stopped
        batch = layout.batch([notes[index] for index in part])
        losses.append(summed_loss(prepared.model, batch, prepared.offsets))
    mean = float(torch.stack(losses).sum()) / len(notes)
    if not math.isfinite(mean):
        raise LearningError(f"the validation loss is {mean}: set train.precision, then `run --new`")
    return mean


def _skip(
    progress: ChunkResult, task: TrainingTask, prepared: PreparedModel, reporter: Reporter
) -> None:
    """Record that the last step was not finite. Raises LearningError where such follow each other."""
    step, scaled = progress.step, prepared.scaler.is_enabled()
    most = _SCALER_PATIENCE if scaled else _PATIENCE
    progress.skipped.append(step)
    names = ", ".join(task.sources[index] for index in task.indices(step))
    what = "the loss or a gradient" if scaled else "the loss"
    if progress.skipped[-most:] == list(range(step - most + 1, step + 1)):
        raise LearningError(
            f"{what} is not finite in {most} steps in a row (the last, step {step}, had {names}): "
            "lower train.learning_rate or set train.precision, then `nightschool run --new`"
        )
    reporter.say("warning", f"{what} of step {step} is not finite: skipped ({names})")


def adapter_sha256(folder: Path) -> str:
    """The hash of the adapter's weights file: equal hashes are equal adapters."""
    return hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()
