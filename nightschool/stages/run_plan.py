"""Estimates a run that is not queued yet: device, notes, memory and time. In a child process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nightschool.config.errors import LearningError
from nightschool.config.night import length_s
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.learning.hub import fingerprint, locate
from nightschool.learning.memory_plan import (
    MemoryLimit,
    MemoryNeed,
    MemoryPlan,
    Shape,
    choose,
    data_size_of,
)
from nightschool.learning.time_model import fit, pace_key, several, summary
from nightschool.learning.training_task import TaskIdentity
from nightschool.notes.note import LoadedNotes
from nightschool.stages.context import make_encoder
from nightschool.stages.freeze_notes import read_and_freeze
from nightschool.stages.run_estimate import (
    Alternative,
    MemoryEstimate,
    NoteCounts,
    RunEstimate,
    TimeEstimate,
)
from nightschool.stages.run_task import training_task_of
from nightschool.stages.time_plan import advice, base_size_of, recall, ways

if TYPE_CHECKING:
    from nightschool.learning.device import Device
    from nightschool.learning.training_task import TrainingTask

_UNLIMITED = MemoryLimit(1 << 60, 1 << 60, 0)
# Items of a memory plan that a CPU does not need.
_GPU_ITEMS = ("work areas", "allocator", "validation", "graphs", "context")


def plan(school: School, settings: Settings) -> RunEstimate:
    """What a run queued now would choose and need. Loads no weights and writes nothing.

    Raises LearningError or NotesError if a run would fail.
    """
    from nightschool.learning.device import memory_limit, pick  # lazy: torch

    base = locate(settings.base, school.root)
    if base is None:
        raise LearningError(
            f"base model {settings.base!r} is not on disk", "`nightschool prep` fetches it once"
        )
    loaded, dataset = read_and_freeze(school, settings)
    device = pick(settings.train)
    encoder = make_encoder(settings, base, dataset.kinds)
    identity = TaskIdentity(prompt=encoder.fingerprint, base=fingerprint(base))
    task = training_task_of(dataset, encoder, settings.train, identity)
    need = MemoryNeed(
        Shape.read(base),
        settings.train,
        data_size_of(task.notes, task.prefix, task.steps(), task.validation),
        device.precision.compute.itemsize,
    )
    available = memory_limit(device, settings.train)
    memory_plan, choices = choose(need, available)
    return RunEstimate(
        base=settings.base,
        chosen=(*device.choices, *encoder.choices, *choices),
        notes=_notes(loaded, task),
        memory=_memory(need, memory_plan, available),
        time=_time(school, settings, task, memory_plan, need.shape, device),
    )


def _notes(loaded: LoadedNotes, task: TrainingTask) -> NoteCounts:
    from nightschool.learning.timing import text_lengths  # lazy: torch

    lengths = text_lengths(task)
    return NoteCounts(
        read=len(loaded.notes),
        skipped=len(loaded.skipped),
        without_kind=sum(note.kind is None for note in loaded.notes),
        train=len(task.notes),
        validation=len(task.validation),
        cut=sum(note.cut for note in task.notes),
        max_tokens=task.settings.max_tokens,
        tokens=sum(lengths),
        longest=max(lengths),
        prompt_tokens=len(task.prefix) + len(task.suffix),
    )


def _memory(need: MemoryNeed, plan: MemoryPlan, room: MemoryLimit | None) -> MemoryEstimate:
    """The predicted peak; on a CPU (`room` is None), for the plan that was chosen without a limit."""
    if room is not None:
        items = dict(plan.bytes)
    else:
        # The optimizer that a CPU gets, and the token budget that was chosen for it.
        update: dict[str, object] = {"token_budget": plan.budget}
        if need.settings.optimizer == "paged_adamw_8bit":
            update["optimizer"] = "adamw"
        train = need.settings.model_copy(update=update)
        predicted = choose(replace(need, settings=train), _UNLIMITED)[0].bytes
        items = {name: size for name, size in predicted.items() if name not in _GPU_ITEMS}
    return MemoryEstimate(
        items=items,
        total=sum(items.values()),
        room=_available_memory() if room is None else room.bytes,
        limited=room is not None,
        budget=plan.budget,
        recomputed=plan.recomputed,
    )


def _available_memory() -> int | None:
    """Bytes of system memory available to programs; None if the system (not Linux) does not list it."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(available.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return None


def _time(
    school: School,
    settings: Settings,
    task: TrainingTask,
    plan: MemoryPlan,
    shape: Shape,
    device: Device,
) -> TimeEstimate | None:
    """The duration from the steps that earlier runs timed on this device; None if there are none."""
    from nightschool.learning.timing import (  # lazy: torch
        packs_of,
        shorter_texts,
        workload_of,
    )

    name = pace_key(device.label, task.identity.base, plan.budget, plan.recomputed)
    earlier = recall(school, name)
    if not earlier:
        return None
    pace = fit(earlier)
    layout = packs_of(task)
    one_seed = workload_of(task, layout, plan.budget)
    seeds = settings.train.seeds
    workload = several(one_seed, seeds)
    estimate = workload.estimate(pace)
    window = length_s(settings.night)
    alternatives, lines = [], []
    if estimate.seconds > window:
        texts = shorter_texts(task, layout, plan.budget)
        alternatives = ways(window, pace, one_seed, texts, base_size_of(shape), seeds)
        lines = advice(workload, pace, window, window, alternatives)
    return TimeEstimate(
        seeds=seeds,
        steps=workload.total_steps,
        seconds=estimate.seconds,
        low=estimate.low,
        high=estimate.high,
        text=summary(one_seed, pace, seeds),
        window_s=window,
        ways_out=tuple(
            Alternative(setting=a.setting, seconds=round(a.seconds, 1), cost=a.cost)
            for a in alternatives
        ),
        advice=tuple(lines),
    )
