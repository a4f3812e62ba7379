"""One chunk of training: from the newest checkpoint to the end of the chunk or of the training."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, model_validator

from nightschool.config import files
from nightschool.config.checksums import verify_checksum, with_checksum
from nightschool.learning import libraries
from nightschool.ledger.outcomes import Outcome
from nightschool.stages.context import StageContext
from nightschool.stages.endings import Ending
from nightschool.stages.kept_memory_plan import ran_out, run_memory_plan
from nightschool.stages.publish import ADAPTER_WEIGHTS
from nightschool.stages.run_task import run_task
from nightschool.stages.seeds import seed_name
from nightschool.stages.time_plan import Clock, kept_part, time_plan
from nightschool.stats.results import Choice
from nightschool.stats.stage_results import StepLoss, TrainResult

if TYPE_CHECKING:
    from nightschool.learning.device import Device
    from nightschool.learning.fast.packed_engine import PackedEngine
    from nightschool.learning.memory_plan import MemoryPlan
    from nightschool.learning.trainer import ChunkResult
    from nightschool.learning.training_task import TrainingTask


class _Timing(BaseModel):
    """The content of `seconds.json`; version 0.1.0 wrote the bare number."""

    seconds: float = Field(ge=0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _is_bare(cls, content: Any) -> Any:
        return {"seconds": content} if isinstance(content, float) else content


def train_chunk(context: StageContext, folder: Path, number: int) -> TrainResult | Ending:
    """Train one chunk of the seed in the settings, the run's `number`th from 0, in `folder`.

    Raises LearningError, DeviceBusy.
    """
    from nightschool.learning.device import lock  # lazy: torch

    device = context.device()
    held = lock(context.school, device)
    began = time.monotonic()
    try:
        result = _train(context, device, folder, number)
    finally:
        seconds = _add_seconds(folder / "seconds.json", time.monotonic() - began)
        held.release()
    return result if isinstance(result, Ending) else result.model_copy(update={"seconds": seconds})


@dataclass(frozen=True, slots=True)
class _Preparation:
    """What a chunk trains, how, and what was chosen for that."""

    task: TrainingTask
    plan: MemoryPlan
    choices: tuple[Choice, ...]
    warnings: tuple[str, ...]


def _train(
    context: StageContext, device: Device, folder: Path, number: int
) -> TrainResult | Ending:
    libraries.load()
    from nightschool.learning.trainer import train  # lazy: torch

    preparation = _prepare(context, device)
    task, plan = preparation.task, preparation.plan
    engine = _load_engine(context, device, preparation)
    if engine is None:
        return ran_out(context, plan)
    times = time_plan(context, engine, task, plan, device)
    if times is None:
        return ran_out(context, plan)
    if times.task is not task:
        # The engine is prepared for the packs of the whole task.
        return Ending(Outcome.CHUNK_DONE, "the part that fits is chosen; its training comes next")
    clock = Clock(context, engine, plan, times, device, number)
    trained = train(engine, task, folder, clock, context.parent.should_stop)
    clock.remember()
    if trained.ended == "out_of_memory":
        return ran_out(context, plan)
    if trained.ended != "finished":
        reason = f"after step {trained.step} of {task.total_steps}"
        if name := seed_name(task.settings.seed, number, task.settings.seeds):
            reason += f", {name}"
        return Ending(Outcome(trained.ended), reason)
    return _result(preparation, times.chosen, trained, device, folder)


def _prepare(context: StageContext, device: Device) -> _Preparation:
    from nightschool.learning.device import cap_memory, memory_limit  # lazy: torch
    from nightschool.learning.encoding import cuts_in_words  # lazy: transformers

    task, encoder = run_task(context)
    choices = context.report_choices(*device.choices, *encoder.choices, *task.choices)
    cuts = cuts_in_words(task.notes, "training notes", task.settings.max_tokens)
    if cuts:
        context.parent.say("warning", cuts)
    plan, planned = run_memory_plan(context, task, device)
    cap_memory(device, memory_limit(device, task.settings), plan.bytes.get("graphs", 0))
    return _Preparation(
        kept_part(context, task), plan, (*choices, *planned), (cuts,) if cuts else ()
    )


def _load_engine(
    context: StageContext, device: Device, preparation: _Preparation
) -> PackedEngine | None:
    """The engine with the base and a fresh adapter; None if the device's memory is too small."""
    from nightschool.learning.device import out_of_memory  # lazy: torch
    from nightschool.learning.fast.packed_engine import PackedEngine  # lazy: torch

    try:
        base = context.base(device)
        engine = PackedEngine.prepare(base, preparation.task, preparation.plan, device)
        engine.warm_up(context.parent.should_stop)
        return engine
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return None


def _result(
    preparation: _Preparation,
    timed: tuple[Choice, ...],
    trained: ChunkResult,
    device: Device,
    folder: Path,
) -> TrainResult:
    from nightschool.learning.base import memory_gb  # lazy: torch

    digests = {file.name: files.sha256(file) for file in (folder / "adapter").iterdir()}
    return TrainResult(
        steps=trained.step,
        peak_gb=memory_gb(device),
        losses=_pairs(trained.losses),
        validation=_pairs(trained.validation),
        skipped=tuple(trained.skipped),
        cut=sum(note.cut for note in preparation.task.notes),
        warnings=preparation.warnings,
        chosen=(*preparation.choices, *timed),
        adapter_sha256=digests[ADAPTER_WEIGHTS],
        adapter_files=digests,
    )


def _pairs(losses: Sequence[Sequence[float]]) -> tuple[StepLoss, ...]:
    return tuple((int(step), loss) for step, loss in losses)


def _add_seconds(file: Path, seconds: float) -> float:
    """Add to the training time of all chunks, process start excluded; returns the sum in seconds.

    A file that is missing or damaged counts as 0, and one that cannot be written is no error.
    """
    total = seconds
    try:
        content = files.read(file)
        verify_checksum(content)
        total += _Timing.model_validate_json(content).seconds
    except FileNotFoundError:
        pass
    except (OSError, ValueError):
        with contextlib.suppress(OSError):
            files.remove(file)
    with contextlib.suppress(OSError):
        files.write(file, with_checksum(json.dumps({"seconds": total})))
    return total
