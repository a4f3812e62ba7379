"""The trainer, read top to bottom: resume from a checkpoint, step, validate, save, stop when asked.

`training_task.py` defines which notes each step takes and at which learning rate; an `Engine`
(`engine.py`) does the arithmetic.

One optimizer step takes `effective_batch` notes in one pass or a few. The loss of a note is the
mean cross-entropy of its answer's tokens; the loss of a step is the mean over its notes, with the
weights and offsets of `class_balance.py`.

Training is exact: whatever it depends on is either a function of the step's number (the notes, by a
hash order of each epoch; the dropout, by a seed; the learning rate) or in the checkpoint (the adapter,
the best adapter so far, the optimizer, the gradient scaler). So an interrupted run ends with the same
bits as an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import torch

from nightschool.config import files
from nightschool.config.errors import LearningError, Stopped
from nightschool.learning import checkpoints
from nightschool.learning.checkpoints import Checkpoint
from nightschool.learning.device import out_of_memory
from nightschool.learning.early_stopping import best_step, should_end
from nightschool.learning.engine import Engine, OptimizerState
from nightschool.learning.run_fingerprint import RunFingerprint, changes_since, fingerprint_of
from nightschool.learning.training_task import TrainingTask, rate

# This many steps in a row that are not finite end a run: a single one may be a fluke of its notes.
_MAX_SKIPPED = 3
# With a gradient scaler, which halves its scale after each such step: from 2^11 to below 1.
_MAX_SKIPPED_SCALED = 12
# Spaces the dropout seeds of two runs apart. Changing it changes every trained adapter.
_SEED_STRIDE = 1_000_003


class Reporter(Protocol):
    """Receives the trainer's progress."""

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None:
        """Called after each step; `loss` is None for a skipped one, `eta_s` are the seconds left."""
        ...

    def say(self, kind: str, message: str) -> None:
        """Called with a line for the run's log; `kind` is "choice", "state" or "warning"."""
        ...


class ChunkEnding(StrEnum):
    """Why a chunk ended."""

    FINISHED = "finished"
    """All steps are done, or early stopping ended the training: the adapter is saved."""
    CHUNK_DONE = "chunk_done"
    """The chunk's time is over."""
    STOPPED = "stopped"
    """The caller asked for a stop."""
    OUT_OF_MEMORY = "out_of_memory"
    """The device's memory did not suffice."""


@dataclass(slots=True)
class ChunkResult:
    """How a chunk ended, and the history of the whole run so far."""

    ended: ChunkEnding
    step: int
    """Optimizer steps done."""
    losses: list[list[float]] = field(default_factory=list)
    """[step, mean loss in nats] pairs"""
    validation: list[list[float]] = field(default_factory=list)
    """[step, mean loss in nats] pairs"""
    skipped: list[int] = field(default_factory=list)
    """Steps whose loss or gradients were not finite: they changed nothing."""


@dataclass(slots=True)
class _Run:
    """A run while a chunk of it trains."""

    engine: Engine
    task: TrainingTask
    folder: Path
    reporter: Reporter
    fingerprint: RunFingerprint
    result: ChunkResult
    best: Mapping[str, torch.Tensor]
    """The adapter of the best validation, on the CPU; empty without a patience or a validation."""
    resumed: bool
    """Whether the run resumed from a checkpoint."""


def train(
    engine: Engine,
    task: TrainingTask,
    folder: Path,
    reporter: Reporter,
    should_stop: Callable[[], bool],
) -> ChunkResult:
    """Train one chunk, from the newest checkpoint in `folder/checkpoints` if there is one.

    A chunk ends between two steps, with a checkpoint; `ChunkEnding` lists the causes. After the last
    chunk the adapter is in `folder/adapter`, in peft's format: with `train.patience`, the adapter of
    the best validation, otherwise that of the last step.

    Raises LearningError if the loss stays not finite, the disk is full, or the checkpoint belongs to
    another run.
    """
    for choice in engine.choices:
        reporter.say("choice", f"{choice.name} = {choice.value} ({choice.reason})")
    run = _resume(engine, task, folder, reporter)
    result = run.result
    first_step, validations = result.step, len(result.validation)
    try:
        result.ended = _take_steps(run, should_stop)
    except Stopped:
        result.ended = ChunkEnding.STOPPED
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        # An update may be half done, so nothing is saved: the next chunk repeats it.
        result.ended = ChunkEnding.OUT_OF_MEMORY
        return result
    progressed = result.step > first_step or len(result.validation) > validations
    if progressed or not run.resumed:
        _save_checkpoint(run)
    if result.ended == ChunkEnding.FINISHED:
        _save_adapter(run)
    return result


def _resume(engine: Engine, task: TrainingTask, folder: Path, reporter: Reporter) -> _Run:
    """The run as its newest undamaged checkpoint left it, or a new one."""
    fingerprint = fingerprint_of(task, engine.identity)
    run = _Run(
        engine, task, folder, reporter, fingerprint, ChunkResult(ChunkEnding.FINISHED, 0), {}, False
    )
    # On the CPU: the memory plan has no room for a second copy on the device.
    start, damaged = checkpoints.newest(folder / "checkpoints", torch.device("cpu"))
    for line in damaged:
        origin = f"step {start.step}" if start else "the beginning"
        reporter.say("warning", f"{line}; training resumes from {origin}")
    if start is None:
        return run
    for line in changes_since(start.fingerprint, fingerprint):
        reporter.say("warning", line)
    engine.load_adapter(start.adapter)
    optimizer = start.optimizer
    if start.fingerprint.optimizer != fingerprint.optimizer:
        reporter.say("warning", "the new optimizer starts without the averages of the old one")
        optimizer = {}
    engine.load_optimizer_state(OptimizerState(optimizer, start.scaler))
    reporter.say("state", f"resumed after step {start.step} of {task.total_steps}")
    run.result = ChunkResult(ChunkEnding.FINISHED, start.step, **start.history)
    run.best, run.resumed = start.best, True
    return run


def _take_steps(run: _Run, should_stop: Callable[[], bool]) -> ChunkEnding:
    """Step, validate and save until the training or the chunk ends. Raises Stopped."""
    settings, result, total = run.task.settings, run.result, run.task.total_steps
    began = saved = time.monotonic()
    first_step = result.step
    while True:
        # Also at a chunk's start: the last chunk may have been stopped before this validation.
        if _validation_is_due(run.task, result):
            _validate_and_keep_best(run, should_stop)
        if result.step == total or should_end(result.validation, settings.patience):
            return ChunkEnding.FINISHED
        if should_stop():
            raise Stopped
        elapsed_s = time.monotonic() - began
        if result.step > first_step and elapsed_s >= settings.chunk_minutes * 60:
            return ChunkEnding.CHUNK_DONE
        step = result.step + 1
        loss = take_step(run.engine, run.task, step, should_stop)
        result.step = step
        if loss is None:
            _record_skipped(run)
        else:
            result.losses.append([step, loss])
        pace_s = (time.monotonic() - began) / (step - first_step)
        run.reporter.progress(step, total, loss, pace_s * (total - step))
        if time.monotonic() - saved >= settings.checkpoint_minutes * 60 and step < total:
            _save_checkpoint(run)
            saved = time.monotonic()


def take_step(
    engine: Engine, task: TrainingTask, step: int, should_stop: Callable[[], bool]
) -> float | None:
    """Take one optimizer step (1-based). Returns its loss in nats, or None if the step is skipped.

    A step is skipped, and changes nothing, if its loss or a gradient is not finite. Raises Stopped
    between two passes, with the adapter as it was before the step.
    """
    settings = task.settings
    learning_rate = settings.learning_rate * rate(step, task.total_steps, settings)
    try:
        loss = float(accumulate(engine, task, step, should_stop))
        return loss if engine.update(loss, learning_rate, settings.max_grad_norm) else None
    finally:
        engine.discard_gradients()


def accumulate(
    engine: Engine, task: TrainingTask, step: int, should_stop: Callable[[], bool]
) -> torch.Tensor:
    """Add the gradients of a step (1-based) to the adapter's; returns its loss in nats, shape ().

    `Engine.discard_gradients` must follow, also after Stopped.
    """
    notes = [task.notes[index] for index in task.indices(step)]
    return engine.accumulate(notes, task.settings.seed * _SEED_STRIDE + step, should_stop)


def _validation_is_due(task: TrainingTask, result: ChunkResult) -> bool:
    """Whether the last step ended an epoch or the training, and has no validation yet."""
    step = result.step
    ends_epoch = step > 0 and (step % task.steps_per_epoch == 0 or step == task.total_steps)
    done = bool(result.validation) and result.validation[-1][0] == step
    return bool(task.validation) and ends_epoch and not done


def _validate_and_keep_best(run: _Run, should_stop: Callable[[], bool]) -> None:
    """Record the validation loss; with a patience, copy the adapter if it is the best so far."""
    result = run.result
    result.validation.append([result.step, _validate(run.engine, run.task, should_stop)])
    if run.task.settings.patience and best_step(result.validation) == result.step:
        tensors = run.engine.adapter_tensors()
        run.best = {name: weight.to("cpu", copy=True) for name, weight in tensors.items()}


def _validate(engine: Engine, task: TrainingTask, should_stop: Callable[[], bool]) -> float:
    """The mean loss over the validation notes, in nats. Raises LearningError if it is not finite."""
    loss = engine.validation_loss(task.validation, should_stop)
    if not math.isfinite(loss):
        raise LearningError(
            f"the validation loss is {loss}", "set train.precision, then `nightschool run --new`"
        )
    return loss


def _record_skipped(run: _Run) -> None:
    """Record the last step as skipped. Raises LearningError after too many in a row."""
    step, scaled = run.result.step, run.engine.scales_gradients
    limit = _MAX_SKIPPED_SCALED if scaled else _MAX_SKIPPED
    skipped = run.result.skipped
    skipped.append(step)
    sources = ", ".join(run.task.sources[index] for index in run.task.indices(step))
    subject = "the loss or a gradient" if scaled else "the loss"
    if skipped[-limit:] == list(range(step - limit + 1, step + 1)):
        raise LearningError(
            f"{subject} is not finite in {limit} steps in a row (the last, step {step}, had {sources})",
            "lower train.learning_rate or set train.precision, then `nightschool run --new`",
        )
    run.reporter.say("warning", f"{subject} of step {step} is not finite: skipped ({sources})")


def _save_checkpoint(run: _Run) -> None:
    """Write a checkpoint of the run as it is now."""
    result, state = run.result, run.engine.optimizer_state()
    checkpoint = Checkpoint(
        step=result.step,
        fingerprint=run.fingerprint,
        adapter=run.engine.adapter_tensors(),
        best=run.best,
        optimizer=state.optimizer,
        scaler=state.scaler,
        history={
            "losses": result.losses,
            "validation": result.validation,
            "skipped": result.skipped,
        },
    )
    checkpoints.save(checkpoint, run.folder / "checkpoints")


def _save_adapter(run: _Run) -> None:
    """Write the adapter of the best validation, or of the last step, to `folder/adapter`."""
    result, total = run.result, run.task.total_steps
    if run.best:
        run.engine.load_adapter(run.best)
        early = (
            f" (training ended after step {result.step} of {total})" if result.step < total else ""
        )
        run.reporter.say(
            "state",
            f"keeps the adapter of step {best_step(result.validation)}, which has the best validation "
            f"loss{early}",
        )
    with files.new_folder(run.folder / "adapter") as new:
        run.engine.save_adapter(new)


def adapter_sha256(folder: Path) -> str:
    """The sha256 of the adapter's weights file: equal hashes are equal adapters."""
    return files.sha256(folder / "adapter_model.safetensors")
