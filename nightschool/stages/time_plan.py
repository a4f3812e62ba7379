"""The time plan of a run: three timed steps, the part that fits, and the time left during training."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nightschool.config import bounded_json, files
from nightschool.config.checksums import verify_checksum, with_checksum
from nightschool.config.durations import format_duration
from nightschool.config.night import left_s, length_s
from nightschool.config.paths import School
from nightschool.learning.memory_plan import MemoryPlan, Shape
from nightschool.learning.time_model import (
    BaseSize,
    Pace,
    QuickPlan,
    Remedy,
    ShorterText,
    TimedStep,
    Workload,
    fit,
    pace_key,
    quick_plan,
    remedies,
    sample,
    several,
    summary,
)
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName
from nightschool.stages.context import StageContext
from nightschool.stages.kept_plan import KeptTimePlan
from nightschool.stats.results import Choice

if TYPE_CHECKING:
    from nightschool.learning.device import Device
    from nightschool.learning.engine import Engine
    from nightschool.learning.training_task import TrainingTask

# After training, `run --quick` still needs time to evaluate, with the adapter's arithmetic in addition to
# the base's, and to compare: the report (bootstrap, charts) took 6 to 8 s on two cores.
_EVALUATE_PER_BASELINE = 1.25
_COMPARE_S = 10.0
# Timed steps that are stored for each device, base and memory plan.
_STORED_STEPS = 24


@dataclass(frozen=True, slots=True)
class TimePlan:
    """What a run trains and how long that takes; fixed before its first step."""

    task: TrainingTask
    """The given task, or the part of it that `--quick` has just chosen."""
    pace: Pace
    restart_s: float
    chosen: tuple[Choice, ...]
    timed: list[TimedStep]
    """The steps that this chunk timed; empty in later chunks."""


def kept_part(context: StageContext, task: TrainingTask) -> TrainingTask:
    """The whole task, or the part of it that the run chose at its first chunk."""
    from nightschool.learning.timing import part_of  # lazy: torch

    times = context.kept_plan().time
    return part_of(task, times.lap) if times and times.lap else task


def time_plan(
    context: StageContext,
    engine: Engine,
    task: TrainingTask,
    plan: MemoryPlan,
    device: Device,
) -> TimePlan | None:
    """The run's time plan: made and logged at its first chunk, kept for the others.

    `task` is the `kept_part`. None if the device's memory is too small for the largest step.
    """
    if kept := context.kept_plan().time:
        return TimePlan(task, kept.pace, kept.restart_s, kept.chosen, [])
    timed = _decide(context, engine, task, plan, device)
    kept = context.kept_plan().time
    if timed is None or kept is None:
        return None
    return TimePlan(kept_part(context, task), kept.pace, kept.restart_s, kept.chosen, timed)


def _decide(
    context: StageContext,
    engine: Engine,
    task: TrainingTask,
    plan: MemoryPlan,
    device: Device,
) -> list[TimedStep] | None:
    from nightschool.learning.timing import (  # lazy: torch
        part_of,
        shorter_texts,
        time_steps,
        workload_of,
    )

    restart_s = time.monotonic() - context.parent.born
    timed = time_steps(engine, task, device, context.parent.should_stop)
    if timed is None:
        return None
    pace = fit(timed, recall(context.school, _key(task, plan, device)))
    workload = workload_of(task, engine.batching, plan.budget, restart_s)
    shorter_text = shorter_texts(task, engine.batching, plan.budget, restart_s)
    part: QuickPlan | None = None
    chosen: tuple[Choice, ...] = ()
    if limit_s := task.settings.quick_minutes * 60:
        part, chosen = _quick(context, task, pace, workload, shorter_text, limit_s)
    if part:
        kept = part_of(task, part)
        workload = workload_of(kept, engine.batching, plan.budget, restart_s)
        shorter_text = shorter_texts(kept, engine.batching, plan.budget, restart_s)
    context.parent.say("state", summary(workload, pace, task.settings.seeds))
    base_size = base_size_of(Shape.read(context.base_folder()))
    _warn(context, pace, workload, shorter_text, base_size)
    times = KeptTimePlan(pace, restart_s, part, chosen)
    context.keep_plan(replace(context.kept_plan(), time=times))
    return timed


def _quick(
    context: StageContext,
    task: TrainingTask,
    pace: Pace,
    workload: Workload,
    shorter_text: Sequence[ShorterText],
    limit_s: float,
) -> tuple[QuickPlan | None, tuple[Choice, ...]]:
    """The part of a training that fits into the rest of `run --quick`, and the logged choices.

    The part is None if the whole training fits.
    """
    seeds = task.settings.seeds
    with Ledger(context.school.ledger_file) as ledger:
        used = ledger.seconds(context.run)
        after = (
            seeds * _EVALUATE_PER_BASELINE * ledger.seconds(context.run, StageName.BASELINE)
            + _COMPARE_S
        )
    left = max(0.0, limit_s - used - after) / seeds
    part = quick_plan(left, pace, workload, shorter_text)
    whole = (part.epochs, part.max_tokens, part.steps) == (workload.epochs, None, None)
    if not whole:  # another process, which has to start first, trains a part
        part = quick_plan(max(0.0, left - workload.restart_s), pace, workload, shorter_text)
    each = f" each of {seeds} seeds" if seeds > 1 else ""
    reason = (
        f"--quick: {format_duration(left)} of {format_duration(limit_s)} remain for training{each}; "
        f"the whole training would take {workload.estimate(pace)}"
    )
    choices = [Choice("epochs", f"{part.epochs:g} of {workload.epochs:g}", reason)]
    if part.max_tokens is not None:
        cost = next(t.cost for t in shorter_text if t.max_tokens == part.max_tokens)
        choices.append(Choice("training text", f"{part.max_tokens} tokens per note", cost))
    if part.steps is not None:
        notes = min(len(task.notes), part.steps * task.settings.effective_batch)
        share = f"{notes} of {len(task.notes)}"
        choices.append(Choice("training notes", share, "the first in the order of a hash"))
    if not part.fits:
        context.parent.say(
            "warning",
            f"even one step may take longer than the remaining {format_duration(left)}",
        )
    return None if whole else part, context.report_choices(*choices)


def _warn(
    context: StageContext,
    pace: Pace,
    workload: Workload,
    shorter_text: Sequence[ShorterText],
    base_size: BaseSize,
) -> None:
    """Warn if a run that waits for the night takes longer than the rest of this night."""
    with Ledger(context.school.ledger_file) as ledger:
        if ledger.run(context.run).timing != "tonight":
            return
    night, seeds = context.settings.night, context.settings.train.seeds
    window = left_s(night, time.time())
    if several(workload, seeds).seconds(pace) <= window:
        return
    alternatives = ways(window, pace, workload, shorter_text, base_size, seeds)
    for line in advice(several(workload, seeds), pace, window, length_s(night), alternatives):
        context.parent.say("warning", line)


def ways(
    window_s: float,
    pace: Pace,
    workload: Workload,
    shorter_text: Sequence[ShorterText],
    base_size: BaseSize,
    seeds: int,
) -> list[Remedy]:
    """Changes with which a run fits into `window_s`; each seed takes `workload`. With several seeds, the
    only change is fewer seeds."""
    if seeds == 1:
        return remedies(window_s, pace, workload, shorter_text, base_size)
    fewer = min(seeds - 1, int(window_s / workload.seconds(pace)))
    if fewer < 1:
        return []
    spread = "the report shows no variance" if fewer == 1 else "the variance is less certain"
    return [Remedy(f"train.seeds = {fewer}", fewer * workload.seconds(pace), spread)]


def advice(
    workload: Workload,
    pace: Pace,
    window_s: float,
    night_s: float,
    alternatives: Sequence[Remedy],
) -> list[str]:
    """Lines for the user whose training takes longer than `window_s`, the rest of the night's window."""
    nights = 1 + math.ceil((workload.seconds(pace) - window_s) / night_s)
    lines = [
        f"training takes {workload.estimate(pace)}, and the night's window has {format_duration(window_s)}: "
        f"it would continue the next night and take {nights} nights in all"
    ]
    if not alternatives:
        return [
            *lines,
            "no single change is enough: combine max_tokens, epochs, base and seeds",
        ]
    return [*lines, *(f"alternative: {way}" for way in alternatives)]


def base_size_of(shape: Shape) -> BaseSize:
    """The size of a base, to estimate how long another base would take."""
    return BaseSize(shape.layers, float(shape.layers * shape.layer_parameters))


# The timed steps of earlier runs


def recall(school: School, name: str) -> list[TimedStep]:
    """The steps that earlier runs timed under a key; none if the file is missing or damaged."""
    try:
        timed = [TimedStep(*map(float, step)) for step in _paces(school)[name]["timed"]]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return []
    return [step for step in timed if all(0 < value < math.inf for value in astuple(step))]


def _paces(school: School) -> dict[str, Any]:
    """The content of the file by key; empty if it is missing or damaged."""
    try:
        content = files.read(school.pace_file)
        verify_checksum(content)
        kept = dict(bounded_json.loads(content))
    except (OSError, ValueError, TypeError):
        return {}
    kept.pop("sha256", None)
    return kept


def remember(school: School, name: str, timed: Sequence[TimedStep]) -> None:
    """Store timed steps under a key; few new ones do not displace all earlier ones.

    A file that cannot be written is no error: the next run estimates without it.
    """
    newest = sample(timed, _STORED_STEPS)
    both = [*newest, *sample(recall(school, name), _STORED_STEPS - len(newest))]
    steps = [[step.passes, step.tokens, round(step.seconds, 6)] for step in both]
    at = datetime.now(UTC).isoformat(timespec="seconds")
    with contextlib.suppress(OSError):
        content = {**_paces(school), name: {"at": at, "timed": steps}}
        files.write(school.pace_file, with_checksum(json.dumps(content, indent=1)))


def _key(task: TrainingTask, plan: MemoryPlan, device: Device) -> str:
    base = task.identity.base
    return pace_key(device.label, base, plan.budget, plan.recomputed)


class Clock:
    """The trainer's reporter: times the steps, and reports the time left from the fitted pace."""

    def __init__(
        self,
        context: StageContext,
        engine: Engine,
        plan: MemoryPlan,
        times: TimePlan,
        device: Device,
        seed: int = 0,
    ) -> None:
        """`seed` is the number of the run's seeds that are trained already; their steps count."""
        self._context, self._engine, self._times = context, engine, times
        self._key = _key(times.task, plan, device)
        self._seed, self._seeds = seed, context.settings.train.seeds
        self._epoch = -1
        self._workload: Workload | None = None
        self._last: float | None = None
        self._timed: list[TimedStep] = []
        self._measured_s = self._predicted_s = 0.0  # sums over `_timed`

    def say(self, kind: str, message: str) -> None:
        self._context.parent.say(kind, message)

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None:
        """Report a step; replaces `eta_s`, the trainer's estimate from the mean of its steps."""
        now, last = time.perf_counter(), self._last
        self._last = now
        workload = self._workload_at(step)
        place = (step - 1) % len(workload.steps)
        validated = step == total or place == len(workload.steps) - 1
        if last is not None and not validated:
            amount = workload.steps[place]
            self._timed.append(TimedStep(amount.passes, amount.tokens, now - last))
            self._measured_s += now - last
            self._predicted_s += self._times.pace.seconds(amount)
        pace = self._times.pace
        left = workload.seconds(pace, step)
        left += (self._seeds - 1 - self._seed) * workload.seconds(pace)
        self._context.parent.progress(
            self._seed * total + step, self._seeds * total, loss, self._slowdown(workload) * left
        )

    def _workload_at(self, step: int) -> Workload:
        """The workload of the whole training, all epochs taken to be like that of the step."""
        from nightschool.learning.timing import workload_of  # lazy: torch

        task, engine = self._times.task, self._engine
        epoch = (step - 1) // task.steps_per_epoch
        if self._workload is None or epoch != self._epoch:
            self._epoch = epoch
            self._workload = workload_of(
                task,
                engine.batching,
                engine.identity.token_budget,
                self._times.restart_s,
                epoch,
            )
        return self._workload

    def _slowdown(self, workload: Workload) -> float:
        """Measured by predicted time of the steps; the pace itself weighs as much as three steps."""
        pace = self._times.pace
        prior = 3 * sum(map(pace.seconds, workload.steps)) / len(workload.steps)
        return (prior + self._measured_s) / (prior + self._predicted_s)

    def remember(self) -> None:
        """Store the timed steps for later runs; those timed at the start if this chunk timed too few."""
        timed = self._timed if len(self._timed) >= 3 else self._times.timed
        if timed:
            remember(self._context.school, self._key, timed)
