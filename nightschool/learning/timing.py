"""What a task asks of the device, three steps of it timed, and the part of it that a lap keeps."""

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
from nightschool.learning.time_model import Amount, Course, Lap, Shorter, Timed, rungs
from nightschool.learning.trainer import accumulate
from nightschool.learning.training_task import TrainingTask, epoch_order


def packs_of(task: TrainingTask) -> Layout:
    """The layout that a base most likely takes, to count with before it is loaded."""
    cpu = torch.device("cpu")
    return Layout(tuple(task.prefix), task.padding, cpu, torch.float32, "segments")


def course_of(
    task: TrainingTask, batching: Batching, budget: int, restart_s: float = 0.0, epoch: int = 0
) -> Course:
    """What a task asks for: the steps of an epoch, and its validation."""
    size = task.settings.effective_batch
    order = epoch_order(task.ids, task.settings.seed, epoch)
    steps = (order[start : start + size] for start in range(0, len(order), size))
    return Course(
        steps=tuple(_amount([task.notes[i] for i in step], batching, budget) for step in steps),
        epochs=task.settings.epochs,
        validation=_amount(task.validation, batching, validation_budget(budget)),
        chunk_s=task.settings.chunk_minutes * 60,
        restart_s=restart_s,
    )


def _amount(notes: Sequence[Encoded], batching: Batching, budget: int) -> Amount:
    """The passes over some notes and the tokens that go through the base in them."""
    passes = batching.split(notes, budget)
    tokens = sum(batching.tokens([notes[index] for index in indices]) for indices in passes)
    return Amount(len(passes), tokens)


def shorter(
    task: TrainingTask, batching: Batching, budget: int, restart_s: float = 0.0
) -> list[Shorter]:
    """What each lower train.max_tokens would ask for and cut, the highest first."""
    texts = texts_of(task)
    return [
        Shorter(
            max_tokens=rung,
            course=course_of(_cut(task, rung), batching, budget, restart_s),
            cut=sum(length > rung for length in texts) / len(texts),
            lost=sum(max(0, length - rung) for length in texts) / max(1, sum(texts)),
        )
        for rung in rungs(max(texts))
    ]


def texts_of(task: TrainingTask) -> list[int]:
    """The tokens of each training note itself, as far as it is read."""
    around = len(task.prefix) + len(task.suffix)
    return [len(note.prompt) - around for note in task.notes]


def _cut(task: TrainingTask, most: int) -> TrainingTask:
    prefix, suffix = len(task.prefix), len(task.suffix)
    return replace(task, notes=[shortened(note, prefix, suffix, most) for note in task.notes])


def part_of(task: TrainingTask, lap: Lap) -> TrainingTask:
    """What a lap keeps of a task: epochs, the beginning of each training note, some of the notes.

    These are the first of the first epoch's hash order. The notes that are watched or measured with
    stay as they are.
    """
    settings = task.settings.model_copy(update={"epochs": lap.epochs})
    if lap.max_tokens is not None:
        task = _cut(task, lap.max_tokens)
    count = len(task.notes) if lap.steps is None else lap.steps * settings.effective_batch
    kept = sorted(epoch_order(task.ids, settings.seed, 0)[:count])
    return replace(
        task,
        notes=[task.notes[index] for index in kept],
        ids=[task.ids[index] for index in kept],
        sources=[task.sources[index] for index in kept],
        settings=settings,
        # A checkpoint of another part would be refused.
        identity={
            **task.identity,
            "dataset": f"{task.identity['dataset']} {lap.max_tokens} {lap.steps}",
        },
    )


def time_steps(
    engine: Engine,
    task: TrainingTask,
    device: Device,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Timed] | None:
    """Time the gradients of three steps, the smallest, the median and the largest of an epoch.

    Nothing is updated: the adapter, the optimizer and the scaler stay as they were, bit for bit, and
    the gradients are dropped. Each goes once untimed before, the largest first, for what only a
    first pass does (kernels chosen, memory claimed). None where the device's memory
    does not suffice for it. Raises Stopped where `should_stop` between two passes.
    """
    steps = course_of(task, engine.batching, engine.identity.token_budget).steps
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
        return [Timed(steps[i].passes, steps[i].tokens, seconds(i)) for i in chosen]
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return None


def _wait(device: torch.device) -> None:
    """Until the device has done what it was asked for: its kernels run behind the program."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
