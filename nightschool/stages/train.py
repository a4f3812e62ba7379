"""The stage that trains: one chunk in this process, the published model with the last one."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nightschool.config import files
from nightschool.config.errors import LearningError
from nightschool.learning import libraries
from nightschool.notes.splits import Split
from nightschool.stages.context import Ending, StageContext, kept_as, write_json
from nightschool.stages.seeds import (
    of_seed,
    read_result,
    said,
    seed_folder,
    seeds_of,
    typical,
    validation_loss,
)

if TYPE_CHECKING:
    from nightschool.config.settings import TrainSettings
    from nightschool.learning.device import Device
    from nightschool.learning.encoding import Encoder
    from nightschool.learning.memory_plan import MemoryPlan, Need
    from nightschool.learning.training_task import TrainingTask
    from nightschool.notes.dataset import Dataset


def train(context: StageContext) -> Ending:
    """Train one chunk of a seed; with the last of all, publish an adapter as the model of this run."""
    settings = context.settings.train
    results = {}
    for number, seed in enumerate(seeds_of(settings)):
        folder = seed_folder(context, seed)
        result = read_result(folder / "trained.json")
        if result is None:
            name = said(seed, number, settings.seeds)
            try:
                result = _train_seed(of_seed(context, seed), folder, number)
            except LearningError as error:
                raise LearningError(f"{name}: {error}" if name else str(error)) from error
            if "outcome" in result:
                return result
            write_json(folder / "trained.json", result)
            if settings.seeds > 1:
                # The next seed's checkpoints take as much room again.
                shutil.rmtree(folder / "checkpoints", ignore_errors=True)
            if number + 1 < settings.seeds:
                return {"outcome": "chunk_done", "reason": f"{name} is trained"}
        results[seed] = result
    losses = {seed: validation_loss(result, settings) for seed, result in results.items()}
    used = typical(losses)
    if settings.seeds > 1:
        context.parent.say("state", f"the model of seed {used} is used: {_why(losses[used])}")
    _publish(
        context, context.encoder(context.dataset().kinds), seed_folder(context, used) / "adapter"
    )
    return {
        **results[used],
        "seed": used,
        "seeds": [
            {
                "seed": seed,
                "validation_loss": losses[seed],
                "adapter_sha256": result["adapter_sha256"],
            }
            for seed, result in results.items()
        ],
    }


def _why(loss: float | None) -> str:
    if loss is None:
        return "the first, as there are no validation notes"
    return f"its validation loss, {loss:.3f}, is the median"


def _train_seed(context: StageContext, folder: Path, number: int) -> Ending:
    """Train one chunk of the seed in the settings, the run's `number`th from 0; in `folder`."""
    from nightschool.learning.device import lock

    device = context.device()
    held = lock(context.school, device)
    began = time.monotonic()
    try:
        ending = _chunk(context, device, folder, number)
    finally:
        seconds = _add_seconds(folder / "seconds.json", time.monotonic() - began)
        held.release()
    return ending if "outcome" in ending else {**ending, "seconds": seconds}


def _chunk(context: StageContext, device: Device, folder: Path, number: int) -> Ending:
    libraries.load()
    from nightschool.learning.base import memory_gb
    from nightschool.learning.device import cap, out_of_memory, room
    from nightschool.learning.encoding import cuts_in_words
    from nightschool.learning.fast.packed_engine import PackedEngine
    from nightschool.learning.trainer import adapter_sha256
    from nightschool.learning.trainer import train as train_chunk
    from nightschool.stages.time_plan import Clock, kept_part, time_plan

    dataset = context.dataset()
    encoder = context.encoder(dataset.kinds)
    task = _task(context, dataset, encoder)
    choices = context.chose(*device.choices, *encoder.choices, *task.choices)
    if cuts := cuts_in_words(task.notes, "training notes", task.settings.max_tokens):
        context.parent.say("warning", cuts)
    plan, planned = _plan(context, task, device)
    choices += planned
    cap(device, room(device, task.settings), plan.bytes.get("graphs", 0))
    task = kept_part(context, task)
    try:
        engine = PackedEngine.prepare(context.base(device), task, plan, device)
        engine.warm_up(context.parent.should_stop)
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return _ran_out(context, plan)
    times = time_plan(context, engine, task, plan, device)
    if times is None:
        return _ran_out(context, plan)
    if times.task is not task:
        # The engine is prepared for the packs of another task.
        return {"outcome": "chunk_done", "reason": "what fits is chosen: now it is trained"}
    choices += times.chosen
    clock = Clock(context, engine, plan, times, device, number)
    trained = train_chunk(engine, task, folder, clock, context.parent.should_stop)
    clock.remember()
    if trained.ended == "out_of_memory":
        return _ran_out(context, plan)
    if trained.ended != "finished":
        reason = f"after step {trained.step} of {task.total_steps}"
        if name := said(task.settings.seed, number, task.settings.seeds):
            reason += f", {name}"
        return {"outcome": trained.ended, "reason": reason}
    return {
        "steps": trained.step,
        "peak_gb": memory_gb(device),
        "losses": trained.losses,
        "validation": trained.validation,
        "skipped": trained.skipped,
        "cut": sum(note.cut for note in task.notes),
        "warnings": [cuts] if cuts else [],
        "chosen": choices,
        "adapter_sha256": adapter_sha256(folder / "adapter"),
    }


def _task(context: StageContext, dataset: Dataset, encoder: Encoder) -> TrainingTask:
    prepared = context.result("prep")
    identity = {
        "dataset": prepared["dataset"],
        "prompt": encoder.fingerprint,
        "base": prepared["base_fingerprint"],
    }
    return training_task_of(dataset, encoder, context.settings.train, identity)


def training_task_of(
    dataset: Dataset, encoder: Encoder, settings: TrainSettings, identity: Mapping[str, str]
) -> TrainingTask:
    """The whole training of a dataset; see `TrainingTask` for `identity`."""
    from nightschool.learning.auto_choice import AutoChoice
    from nightschool.learning.class_balance import Balance
    from nightschool.learning.training_task import TrainingTask

    training = dataset.of(Split.TRAIN)
    watched = dataset.of(Split.VALIDATION)
    notes = [encoder.encode(item.text, item.kind) for item in training]
    balance = Balance.of(settings.balance, notes, encoder.first_tokens)
    origins = Counter(item.origin or "own" for item in training)
    counted = ", ".join(f"{count} {origin}" for origin, count in origins.most_common())
    return TrainingTask(
        notes=balance.weighted(notes),
        ids=[item.id for item in training],
        sources=[item.source for item in training],
        validation=balance.weighted([encoder.encode(item.text, item.kind) for item in watched]),
        prefix=encoder.prefix,
        suffix=encoder.suffix,
        padding=encoder.padding,
        settings=settings,
        identity=identity,
        offsets=balance.offsets,
        choices=[
            AutoChoice("training notes", counted, "train.roughen"),
            balance.choice,
        ],
    )


def _plan(
    context: StageContext, task: TrainingTask, device: Device
) -> tuple[MemoryPlan, list[dict[str, str]]]:
    """The run's plan: made at its first chunk, kept for the others, for another rounds otherwise.

    Raises DeviceBusy where other programs hold the memory for it.
    """
    from nightschool.learning.auto_choice import AutoChoice
    from nightschool.learning.device import room
    from nightschool.learning.memory_plan import MemoryPlan, Need, Shape, choose, load_of, refit

    need = Need(
        Shape.read(context.base_folder()),
        task.settings,
        load_of(task.notes, task.prefix, task.steps(), task.validation),
        device.precision.compute.itemsize,
    )
    most, kept = room(device, task.settings), context.kept_plan()
    if "plan" not in kept:
        plan, choices = choose(need, most)
        chosen = context.chose(*choices)
        context.keep_plan(plan=plan.as_dict(), chosen=chosen)
        return plan, chosen
    plan, chosen = kept_as(MemoryPlan, kept["plan"]), kept["chosen"]
    fitting = plan if most is None else refit(need, plan, most)
    if fitting.as_dict() == kept.get("ran_out"):
        return _smaller(context, need, fitting)
    if fitting is not plan:
        less = AutoChoice(
            "passes", _passes(fitting), "less GPU memory is free than at the beginning"
        )
        chosen = [*chosen, *context.chose(less)]
    return fitting, chosen


def _passes(plan: MemoryPlan) -> str:
    return (
        f"{plan.budget} tokens, {plan.recomputed} layers recomputed, {plan.graphs} sizes of graphs"
    )


def _ran_out(context: StageContext, plan: MemoryPlan) -> Ending:
    """The next chunk goes on from the checkpoint: in a process of its own it sees whether it was this
    plan that was too large, or another program that held the memory."""
    context.keep_plan(ran_out=plan.as_dict())
    return {"outcome": "chunk_done", "reason": "out of GPU memory: goes on with what is free now"}


def _smaller(
    context: StageContext, need: Need, plan: MemoryPlan
) -> tuple[MemoryPlan, list[dict[str, str]]]:
    """Keep the next smaller plan than one that ran out of memory. Raises LearningError where it was
    the smallest."""
    from nightschool.learning.auto_choice import AutoChoice
    from nightschool.learning.memory_plan import smaller

    less = smaller(need, plan)
    if less is None:
        raise LearningError(
            "out of GPU memory with the smallest passes: lower train.max_tokens or set a smaller "
            "base, then `nightschool run --new`"
        )
    was, now = _passes(plan), _passes(less)
    context.parent.say("warning", f"out of GPU memory with {was}: goes on with {now}")
    chosen = context.chose(AutoChoice("passes", now, f"{was} ran out of memory"))
    context.keep_plan(plan=less.as_dict(), chosen=chosen, ran_out=None)
    return less, chosen


def _publish(context: StageContext, encoder: Encoder, adapter: Path) -> None:
    """Put an adapter, and what is needed to use it, where `classify` finds it: whole or not at all."""
    final = context.school.model_folder(context.run)
    aside = final.with_name(final.name + ".tmp")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(adapter, aside / "adapter")
    settings = context.settings
    write_json(
        aside / "model.json",
        {
            "run": context.run,
            "base": settings.base,
            "base_fingerprint": context.result("prep")["base_fingerprint"],
            "kinds": list(encoder.kinds),
            "prompt": encoder.fingerprint,
            "settings": settings.model_dump(),
        },
    )
    files.sync_tree(aside)
    shutil.rmtree(final, ignore_errors=True)
    files.replace(aside, final)


def _add_seconds(file: Path, seconds: float) -> float:
    """Add to the time that all chunks of a run took, process start excluded; returns the sum."""
    total = seconds + (json.loads(file.read_text("utf-8")) if file.exists() else 0.0)
    write_json(file, total)
    return float(total)
