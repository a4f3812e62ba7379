"""A run of several seeds: one training and one measurement each, and which of the models is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nightschool.config.settings import TrainSettings
    from nightschool.stages.context import StageContext


def seeds_of(settings: TrainSettings) -> list[int]:
    """The seeds of a run, in the order in which they are trained."""
    return [(settings.seed + number) % 2**32 for number in range(settings.seeds)]


def of_seed(context: StageContext, seed: int) -> StageContext:
    """The work with this seed in its settings, as a run of it alone has them."""
    return replace(context, settings=context.settings.with_train(seed=seed))


def seed_folder(context: StageContext, seed: int) -> Path:
    """Where a seed's checkpoints, adapter and results are; the run's folder if it is the only one."""
    return context.folder if context.settings.train.seeds == 1 else context.folder / f"seed-{seed}"


def read_result(file: Path) -> dict[str, Any] | None:
    """What was recorded in a file, or None."""
    if not file.exists():
        return None
    result: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return result


def validation_loss(result: Mapping[str, Any], settings: TrainSettings) -> float | None:
    """The validation loss of the adapter that a training kept, in nats; None where none was measured."""
    losses = [loss for _, loss in result["validation"]]
    if not losses:
        return None
    return float(min(losses) if settings.patience else losses[-1])


def typical(losses: Mapping[int, float | None]) -> int:
    """The seed whose model is used: the median by validation loss, the better of the middle two.

    Not the best one: what a report says of it is then what another night would give too, and no test
    note has a say in the choice. The first seed where any was not validated.
    """
    known = [(loss, seed) for seed, loss in losses.items() if loss is not None]
    if len(known) < len(losses):
        return next(iter(losses))
    return sorted(known)[(len(known) - 1) // 2][1]


def said(seed: int, number: int, seeds: int) -> str:
    """ "seed 1 (2 of 3)", from the seed's place, counted from 0; "" where there is only one."""
    return f"seed {seed} ({number + 1} of {seeds})" if seeds > 1 else ""
