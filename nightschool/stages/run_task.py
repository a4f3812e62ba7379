"""The training task of a run: its notes with their weights, and the prompt around them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nightschool.notes.splits import Split
from nightschool.stages.context import StageContext
from nightschool.stats.results import Choice
from nightschool.stats.stage_results import PrepResult

if TYPE_CHECKING:
    from nightschool.config.settings import TrainSettings
    from nightschool.learning.encoding import Encoder
    from nightschool.learning.training_task import TaskIdentity, TrainingTask
    from nightschool.notes.dataset import Dataset


def run_task(context: StageContext) -> tuple[TrainingTask, Encoder]:
    """The whole training of a run, and its encoder."""
    from nightschool.learning.training_task import TaskIdentity  # lazy: transformers

    dataset = context.dataset()
    encoder = context.encoder(dataset.kinds)
    prepared = context.result(PrepResult)
    identity = TaskIdentity(prepared.dataset, encoder.fingerprint, prepared.base_fingerprint)
    return training_task_of(dataset, encoder, context.settings.train, identity), encoder


def training_task_of(
    dataset: Dataset, encoder: Encoder, settings: TrainSettings, identity: TaskIdentity
) -> TrainingTask:
    """The whole training of a dataset."""
    from nightschool.learning.class_balance import Balance  # lazy: transformers
    from nightschool.learning.training_task import TrainingTask  # lazy: transformers

    training = dataset.of(Split.TRAIN)
    notes = [encoder.encode(item.text, item.kind) for item in training]
    balance = Balance.of(settings.balance, notes, encoder.first_tokens)
    validation = [encoder.encode(item.text, item.kind) for item in dataset.of(Split.VALIDATION)]
    origins = Counter(item.origin or "own" for item in training)
    counts = ", ".join(f"{count} {origin}" for origin, count in origins.most_common())
    return TrainingTask(
        notes=balance.weighted(notes),
        ids=[item.id for item in training],
        sources=[item.source for item in training],
        validation=balance.weighted(validation),
        prefix=encoder.prefix,
        suffix=encoder.suffix,
        padding=encoder.padding,
        settings=settings,
        identity=identity,
        offsets=balance.offsets,
        choices=[Choice("training notes", counts, "train.roughen"), balance.choice],
    )
