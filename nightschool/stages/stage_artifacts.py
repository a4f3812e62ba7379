"""The files of a stage that is done, with the sha256 of each, for the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from nightschool.ledger.artifacts import Artifact, artifact_of, path_in
from nightschool.ledger.records import StageName
from nightschool.stages.context import StageContext
from nightschool.stages.publish import card_file
from nightschool.stages.seeds import seed_folder, seeds_of
from nightschool.stats.stage_results import PrepResult, TrainResult, read_record


def artifacts_of(context: StageContext, stage: StageName) -> tuple[Artifact, ...]:
    """What a stage wrote that no later stage changes, in the order of the paths.

    The digests of an adapter are those that were taken when it was written. Raises OSError, DamagedFile.
    """
    found = [artifact_of(context.school, f) for f in _files(context, stage) if os.path.lexists(f)]
    if stage is StageName.TRAIN:
        found += _adapters(context)
    return tuple(sorted(found, key=lambda artifact: artifact.path))


def _files(context: StageContext, stage: StageName) -> Iterator[Path]:
    school, folder = context.school, context.folder
    yield folder / f"{stage}.json"
    match stage:
        case StageName.PREP:
            dataset = school.datasets / read_record(folder / "prep.json", PrepResult).dataset
            yield from (
                folder / "left_out.json",
                dataset / "items.jsonl",
                dataset / "manifest.json",
            )
        case StageName.TRAIN:
            yield folder / "plan.json"
        case StageName.EVALUATE:
            yield folder / "champion.json"
        case StageName.COMPARE:
            # The comparison completes the model card.
            yield from (card_file(school, context.run), folder / "server.jsonl")
            yield from (folder / "report").glob("*.*")


def _adapters(context: StageContext) -> Iterator[Artifact]:
    """The adapter of each seed, and the published copy of one of them."""
    school, settings = context.school, context.settings.train
    published = read_record(context.folder / "train.json", TrainResult).seed
    for seed in seeds_of(settings):
        folder = seed_folder(context, seed)
        trained = read_record(folder / "trained.json", TrainResult)
        places = [folder / "adapter"]
        if seed == (settings.seed if published is None else published):
            places.append(school.model_folder(context.run) / "adapter")
        for place in places:
            for name, digest in trained.adapter_files.items():
                size = (place / name).stat().st_size
                yield Artifact(path_in(school, place / name), digest, size)
