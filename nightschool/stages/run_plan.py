"""The plan of a run that was not queued yet: device, notes, memory and time. In a child process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightschool.config.errors import LearningError
from nightschool.config.night import length_s
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.learning.memory_plan import MemoryPlan, Need, Room, Shape, choose, load_of
from nightschool.learning.time_model import fit, pace_key, several, summary
from nightschool.learning.training_task import TaskIdentity
from nightschool.notes.note import LoadedNotes
from nightschool.stages.context import make_encoder
from nightschool.stages.freeze_notes import read_and_freeze
from nightschool.stages.run_task import training_task_of
from nightschool.stages.time_plan import advice, base_size_of, recall, ways

if TYPE_CHECKING:
    from nightschool.learning.device import Device
    from nightschool.learning.training_task import TrainingTask

_EVERYTHING = Room(1 << 60, 1 << 60, 0)


def plan(school: School, settings: Settings) -> dict[str, Any]:
    """What a run queued now would choose, need and take, as far as it is known before it.

    `chosen`: choices with their reasons; `notes`, `memory` and `time`: see the functions that make
    them. Loads no weights and writes nothing. Raises LearningError or NotesError where a run would fail.
    """
    from nightschool.learning.device import pick, room
    from nightschool.learning.hub import fingerprint, locate

    base = locate(settings.base, school.root)
    if base is None:
        raise LearningError(
            f"base model {settings.base!r} is not on disk: `nightschool prep` fetches it once"
        )
    reading, dataset = read_and_freeze(school, settings)
    device = pick(settings.train)
    encoder = make_encoder(settings, base, dataset.kinds)
    identity = TaskIdentity(prompt=encoder.fingerprint, base=fingerprint(base))
    task = training_task_of(dataset, encoder, settings.train, identity)
    need = Need(
        Shape.read(base),
        settings.train,
        load_of(task.notes, task.prefix, task.steps(), task.validation),
        device.precision.compute.itemsize,
    )
    most = room(device, settings.train)
    chosen, choices = choose(need, most)
    return {
        "base": settings.base,
        "chosen": [choice.as_dict() for choice in (*device.choices, *encoder.choices, *choices)],
        "notes": _notes(reading, task),
        "memory": _memory(need, chosen, most),
        "time": _time(school, settings, task, chosen, need.shape, device),
    }


def _notes(reading: LoadedNotes, task: TrainingTask) -> dict[str, int]:
    """What was read and how much of it is trained on; tokens are those of the training notes' text."""
    from nightschool.learning.timing import text_lengths

    texts = text_lengths(task)
    return {
        "read": len(reading.notes),
        "skipped": len(reading.skipped),
        "without_kind": sum(note.kind is None for note in reading.notes),
        "train": len(task.notes),
        "validation": len(task.validation),
        "cut": sum(note.cut for note in task.notes),
        "max_tokens": task.settings.max_tokens,
        "tokens": sum(texts),
        "longest": max(texts),
        "prompt_tokens": len(task.prefix) + len(task.suffix),
    }


def _memory(need: Need, chosen: MemoryPlan, most: Room | None) -> dict[str, Any]:
    """Predicted peak bytes by item, their `total`, and the `room`, in bytes.

    On a CPU nothing is planned for (`limited` is false): the items are those of the plan that was
    chosen anyway, and the room is what the system has available, where it says so cheaply.
    """
    if most is not None:
        items = dict(chosen.bytes)
    else:
        # The optimizer that a CPU gets, and exactly the budget that was chosen for it.
        update: dict[str, object] = {"token_budget": chosen.budget}
        if need.settings.optimizer == "paged_adamw_8bit":
            update["optimizer"] = "adamw"
        train = need.settings.model_copy(update=update)
        items = dict(choose(replace(need, settings=train), _EVERYTHING)[0].bytes)
        for of_a_gpu in ("work areas", "allocator", "validation", "graphs", "context"):
            del items[of_a_gpu]
    return {
        "items": items,
        "total": sum(items.values()),
        "room": _available() if most is None else most.bytes,
        "limited": most is not None,
        "budget": chosen.budget,
        "recomputed": chosen.recomputed,
    }


def _available() -> int | None:
    """Bytes of system memory that programs can have; None where that is not told (not Linux)."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        found = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(found.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return None


def _time(
    school: School,
    settings: Settings,
    task: TrainingTask,
    chosen: MemoryPlan,
    shape: Shape,
    device: Device,
) -> dict[str, Any] | None:
    """How long training takes by what earlier runs measured on this device; None where none did.

    `advice` has lines where it passes the night's window.
    """
    from nightschool.learning.timing import packs_of, shorter_texts, workload_of

    name = pace_key(device.label, task.identity.base, chosen.budget, chosen.recomputed)
    earlier = recall(school, name)
    if not earlier:
        return None
    pace = fit(earlier)
    layout = packs_of(task)
    one = workload_of(task, layout, chosen.budget)
    seeds = settings.train.seeds
    workload = several(one, seeds)
    base_size = base_size_of(shape)
    estimate = workload.estimate(pace)
    window = length_s(settings.night)
    found, lines = [], []
    if estimate.seconds > window:
        found = ways(
            window, pace, one, shorter_texts(task, layout, chosen.budget), base_size, seeds
        )
        lines = advice(workload, pace, window, window, found)
    return {
        "seeds": seeds,
        "steps": workload.total_steps,
        "seconds": estimate.seconds,
        "low": estimate.low,
        "high": estimate.high,
        "text": summary(one, pace, seeds),
        "window_s": window,
        "ways_out": [way.as_dict() for way in found],
        "advice": lines,
    }
