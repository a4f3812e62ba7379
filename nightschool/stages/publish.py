"""The model that a run publishes: its adapter, and the model card `model.json` that `classify` needs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nightschool.config import files
from nightschool.config.paths import School
from nightschool.stages.context import StageContext
from nightschool.stats.stage_results import PrepResult, Record, read_record, write_record


class ModelCard(Record):
    """What an adapter needs to be used."""

    run: int
    base: str
    """The base model, as the settings name it."""
    base_fingerprint: str
    kinds: tuple[str, ...]
    prompt: str
    """The fingerprint of the prompt."""
    settings: Mapping[str, Any]
    """The settings of the run, for `config.settings_file.recorded`."""
    temperature: float | None = None
    """Of the probabilities, from the validation notes; None before the comparison, or without them."""
    threshold: float | None = None
    """The least probability of a confident answer; None before the comparison."""


def card_file(school: School, run: int) -> Path:
    """Where the model card of a run is."""
    return school.model_folder(run) / "model.json"


def read_card(school: School, run: int) -> ModelCard:
    """The model card of a run. Raises LearningError if it is missing or damaged."""
    return read_record(card_file(school, run), ModelCard)


def publish(context: StageContext, adapter: Path) -> None:
    """Copy an adapter with its model card to where `classify` looks for it: whole or not at all."""
    encoder = context.encoder(context.dataset().kinds)
    final = context.school.model_folder(context.run)
    temporary = final.with_name(final.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(adapter, temporary / "adapter")
    card = ModelCard(
        run=context.run,
        base=context.settings.base,
        base_fingerprint=context.result(PrepResult).base_fingerprint,
        kinds=tuple(encoder.kinds),
        prompt=encoder.fingerprint,
        settings=context.settings.model_dump(),
    )
    write_record(temporary / "model.json", card)
    files.sync_tree(temporary)
    shutil.rmtree(final, ignore_errors=True)
    files.replace(temporary, final)


def add_to_card(context: StageContext, temperature: float | None, threshold: float) -> None:
    """Complete the run's model card with what its comparison found; does nothing if it was deleted."""
    file = card_file(context.school, context.run)
    if file.exists():
        card = read_record(file, ModelCard)
        update = {"temperature": temperature, "threshold": threshold}
        write_record(file, card.model_copy(update=update))
