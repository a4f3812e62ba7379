"""The train stage: one chunk in this process; the last chunk publishes the model of the run."""

from __future__ import annotations

from pathlib import Path

from nightschool.config import files
from nightschool.config.errors import LearningError, passes
from nightschool.ledger.artifacts import unusable
from nightschool.ledger.outcomes import Outcome
from nightschool.stages.context import StageContext
from nightschool.stages.endings import Ending
from nightschool.stages.publish import publish
from nightschool.stages.seeds import (
    median_seed,
    seed_folder,
    seed_name,
    seeds_of,
    validation_loss,
    with_seed,
)
from nightschool.stages.train_chunk import train_chunk
from nightschool.stats.stage_results import SeedTraining, TrainResult, read_whole, write_record


def train(context: StageContext) -> TrainResult | Ending:
    """Train one chunk of a seed; after the last chunk of the last seed, publish one adapter."""
    settings = context.settings.train
    results: dict[int, TrainResult] = {}
    for number, seed in enumerate(seeds_of(settings)):
        folder = seed_folder(context, seed)
        file = folder / "trained.json"
        trained = _trained(context, folder)
        if trained is None:
            name = seed_name(seed, number, settings.seeds)
            try:
                result = train_chunk(with_seed(context, seed), folder, number)
            except LearningError as error:
                message = f"{name}: {error.message}" if name else error.message
                raise type(error)(message, error.hint) from error  # a full disk stays one
            if isinstance(result, Ending):
                return result
            write_record(file, result)
            trained = result
            if settings.seeds > 1:
                # The next seed's checkpoints take as much disk space again.
                files.discard(folder / "checkpoints")
            if number + 1 < settings.seeds:
                return Ending(Outcome.CHUNK_DONE, f"{name} is trained")
        results[seed] = trained
    losses = {seed: validation_loss(r.validation, settings) for seed, r in results.items()}
    published = median_seed(losses)
    if settings.seeds > 1:
        why = _why_published(losses[published])
        context.parent.say("state", f"the model of seed {published} is published: {why}")
    publish(context, seed_folder(context, published) / "adapter")
    trainings = tuple(
        SeedTraining(seed=seed, validation_loss=losses[seed], adapter_sha256=result.adapter_sha256)
        for seed, result in results.items()
    )
    return results[published].model_copy(update={"seed": published, "seeds": trainings})


def _trained(context: StageContext, folder: Path) -> TrainResult | None:
    """What a seed's training recorded, if its adapter is as it was written; else it is trained again."""
    say = context.parent.say
    trained = read_whole(folder / "trained.json", TrainResult, say)
    for name, digest in trained.adapter_files.items() if trained else ():
        file = folder / "adapter" / name
        try:
            whole = files.sha256(file) == digest
        except OSError as error:
            if passes(error):
                raise unusable(file, error) from None
            whole = False
        if not whole:
            say("warning", f"{file} is damaged: it is made again from the newest checkpoint")
            files.remove(folder / "adapter")
            return None
    return trained


def _why_published(loss: float | None) -> str:
    if loss is None:
        return "the first seed, as there are no validation notes"
    return f"its validation loss, {loss:.3f}, is the median"
