"""The workload of a training, three of its steps timed, and the part of it that `run --quick` trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from nightschool.learning.device import Device, out_of_memory
from nightschool.learning.encoding import Encoded, shortened
from nightschool.learning.engine import Batching, Engine
from nightschool.learning.fast.packing import Layout
from nightschool.learning.memory_plan import validation_budget
from nightschool.learning.time_model import (
    QuickPlan,
    ShorterText,
    StepSize,
    TimedStep,
    Workload,
    token_limits,
)
from nightschool.learning.trainer import accumulate
from nightschool.learning.training_task import TrainingTask, epoch_order


def packs_of(task: TrainingTask) -> Layout:
    """The layout that most bases can take, to count tokens with before the base is loaded."""
    cpu = torch.device("cpu")
    return Layout(tuple(task.prefix), task.padding, cpu, torch.float32, "segments")


def workload_of(
    task: TrainingTask, batching: Batching, budget: int, restart_s: float = 0.0, epoch: int = 0
) -> Workload:
    """A task's workload, with the steps of `epoch`; micro-batches hold at most `budget` tokens."""
    size = task.settings.effective_batch
    order = epoch_order(task.ids, task.settings.seed, epoch)
    steps = (order[start : start + size] for start in range(0, len(order), size))
    return Workload(
        steps=tuple(_step_size([task.notes[i] for i in step], batching, budget) for step in steps),
        epochs=task.settings.epochs,
        validation=_step_size(task.validation, batching, validation_budget(budget)),
        chunk_s=task.settings.chunk_minutes * 60,
        restart_s=restart_s,
    )


def _step_size(notes: Sequence[Encoded], batching: Batching, budget: int) -> StepSize:
    """The micro-batches that some notes make, and the tokens that these compute."""
    passes = batching.split(notes, budget)
    tokens = sum(batching.tokens([notes[index] for index in indices]) for indices in passes)
    return StepSize(len(passes), tokens)


def shorter_texts(
    task: TrainingTask, batching: Batching, budget: int, restart_s: float = 0.0
) -> list[ShorterText]:
    """The effect of each lower train.max_tokens, the highest first."""
    lengths = text_lengths(task)
    return [
        ShorterText(
            max_tokens=limit,
            workload=workload_of(_cut(task, limit), batching, budget, restart_s),
            cut=sum(length > limit for length in lengths) / len(lengths),
            lost=sum(max(0, length - limit) for length in lengths) / max(1, sum(lengths)),
        )
        for limit in token_limits(max(lengths))
    ]


def text_lengths(task: TrainingTask) -> list[int]:
    """The tokens of each training note, without the prompt and without what max_tokens cuts off."""
    around = len(task.prefix) + len(task.suffix)
    return [len(note.prompt) - around for note in task.notes]


def _cut(task: TrainingTask, limit: int) -> TrainingTask:
    prefix, suffix = len(task.prefix), len(task.suffix)
    return replace(task, notes=[shortened(note, prefix, suffix, limit) for note in task.notes])


def part_of(task: TrainingTask, plan: QuickPlan) -> TrainingTask:
    """The part of a task that `plan` keeps: epochs, the beginning of each training note, some notes.

    The notes are the first in the hash order of the first epoch. The validation notes do not change.
    """
    settings = task.settings.model_copy(update={"epochs": plan.epochs})
    if plan.max_tokens is not None:
        task = _cut(task, plan.max_tokens)
    count = len(task.notes) if plan.steps is None else plan.steps * settings.effective_batch
    kept = sorted(epoch_order(task.ids, settings.seed, 0)[:count])
    return replace(
        task,
        notes=[task.notes[index] for index in kept],
        ids=[task.ids[index] for index in kept],
        sources=[task.sources[index] for index in kept],
        settings=settings,
        # So that a checkpoint of another part is refused.
        identity=replace(
            task.identity, dataset=f"{task.identity.dataset} {plan.max_tokens} {plan.steps}"
        ),
    )


def time_steps(
    engine: Engine,
    task: TrainingTask,
    device: Device,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[TimedStep] | None:
    """Time the gradients of three steps, the smallest, the median and the largest of an epoch.

    Nothing is updated: adapter, optimizer and scaler stay as they were, bit for bit, and the gradients
    are dropped. Each step first runs once untimed, the largest first, because a first pass does extra
    work (choosing kernels, allocating memory). Returns None if the device's memory does not suffice.
    Raises Stopped between two passes.
    """
    steps = workload_of(task, engine.batching, engine.identity.token_budget).steps
    order = sorted(range(len(steps)), key=lambda index: (steps[index].tokens, index))
    chosen = (order[0], order[len(order) // 2], order[-1])

    def seconds(index: int) -> float:
        _wait(device.torch)
        began = time.perf_counter()
        try:
            accumulate(engine, task, index + 1, should_stop)
            _wait(device.torch)
            return time.perf_counter() - began
        finally:
            engine.discard_gradients()

    try:
        for index in reversed(chosen):
            seconds(index)
        return [TimedStep(steps[i].passes, steps[i].tokens, seconds(i)) for i in chosen]
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return None


def _wait(device: torch.device) -> None:
    """Wait until the device has finished, as its kernels run asynchronously."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
