"""A run of several seeds: one training and one evaluation each, and which of the models is published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nightschool.stats.stage_results import StepLoss

if TYPE_CHECKING:
    from nightschool.config.settings import TrainSettings
    from nightschool.stages.context import StageContext


def seeds_of(settings: TrainSettings) -> list[int]:
    """The seeds of a run, in the order of their training."""
    return [(settings.seed + number) % 2**32 for number in range(settings.seeds)]


def with_seed(context: StageContext, seed: int) -> StageContext:
    """The context with this seed in its settings, as a run of this seed alone has it."""
    return replace(context, settings=context.settings.with_train(seed=seed))


def seed_folder(context: StageContext, seed: int) -> Path:
    """Where a seed's checkpoints, adapter and results are; the run's folder if it is the only seed."""
    return context.folder if context.settings.train.seeds == 1 else context.folder / f"seed-{seed}"


def seed_name(seed: int, number: int, seeds: int) -> str:
    """ "seed 1 (2 of 3)", from the seed's place, counted from 0; "" if it is the only one."""
    return f"seed {seed} ({number + 1} of {seeds})" if seeds > 1 else ""


def validation_loss(validation: Sequence[StepLoss], settings: TrainSettings) -> float | None:
    """The validation loss of the adapter that a training kept, in nats; None without validation."""
    losses = [loss for _, loss in validation]
    if not losses:
        return None
    return min(losses) if settings.patience else losses[-1]


def median_seed(losses: Mapping[int, float | None]) -> int:
    """The seed with the median validation loss, the better of the middle two; its model is published.

    Not the best seed: the report then shows what another run would also give, and the test notes have
    no influence on the choice. The first seed if any was not validated.
    """
    measured = [(loss, seed) for seed, loss in losses.items() if loss is not None]
    if len(measured) < len(losses):
        return next(iter(losses))
    return sorted(measured)[(len(measured) - 1) // 2][1]
