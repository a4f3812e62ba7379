"""The memory plan of a run: made at its first chunk, kept for the others, smaller after it ran out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nightschool.config.errors import LearningError
from nightschool.learning.memory_plan import (
    MemoryNeed,
    MemoryPlan,
    Shape,
    choose,
    data_size_of,
    refit,
    smaller,
)
from nightschool.ledger.outcomes import Outcome
from nightschool.stages.context import StageContext
from nightschool.stages.endings import Ending
from nightschool.stats.results import Choice

if TYPE_CHECKING:
    from nightschool.learning.device import Device
    from nightschool.learning.training_task import TrainingTask

PlanAndChoices = tuple[MemoryPlan, tuple[Choice, ...]]


def run_memory_plan(context: StageContext, task: TrainingTask, device: Device) -> PlanAndChoices:
    """The run's plan, and what was chosen with it. Another plan would round differently, so it is kept.

    Raises DeviceBusy if other programs hold the memory for it.
    """
    from nightschool.learning.device import memory_limit  # lazy: torch

    need = MemoryNeed(
        Shape.read(context.base_folder()),
        task.settings,
        data_size_of(task.notes, task.prefix, task.steps(), task.validation),
        device.precision.compute.itemsize,
    )
    available, kept = memory_limit(device, task.settings), context.kept_plan()
    if kept.plan is None:
        plan, choices = choose(need, available)
        chosen = context.report_choices(*choices)
        context.keep_plan(replace(context.kept_plan(), plan=plan, chosen=chosen))
        return plan, chosen
    fitting = kept.plan if available is None else refit(need, kept.plan, available)
    if fitting == kept.ran_out:
        return _next_smaller(context, need, fitting)
    if fitting is kept.plan:
        return kept.plan, kept.chosen
    choice = Choice("passes", _passes(fitting), "less GPU memory is free than at the start")
    return fitting, (*kept.chosen, *context.report_choices(choice))


def ran_out(context: StageContext, plan: MemoryPlan) -> Ending:
    """Record that a plan ran out of memory. The next chunk, in a process of its own, resumes from the
    checkpoint and sees whether the plan was too large or another program held the memory."""
    context.keep_plan(replace(context.kept_plan(), ran_out=plan))
    return Ending(Outcome.CHUNK_DONE, "out of GPU memory: resumes with what is free now")


def _next_smaller(context: StageContext, need: MemoryNeed, plan: MemoryPlan) -> PlanAndChoices:
    """Keep the next smaller plan. Raises LearningError if there is none."""
    less = smaller(need, plan)
    if less is None:
        raise LearningError(
            "out of GPU memory with the smallest passes",
            "lower train.max_tokens or set a smaller base, then `nightschool run --new`",
        )
    before, now = _passes(plan), _passes(less)
    context.parent.say("warning", f"out of GPU memory with {before}: resumes with {now}")
    choice = Choice("passes", now, f"{before} ran out of memory")
    chosen = context.report_choices(choice)
    context.keep_plan(replace(context.kept_plan(), plan=less, chosen=chosen, ran_out=None))
    return less, chosen


def _passes(plan: MemoryPlan) -> str:
    return (
        f"{plan.budget} tokens, {plan.recomputed} layers recomputed, {plan.graphs} sizes of graphs"
    )
