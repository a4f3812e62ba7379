"""The model that a run publishes: its adapter, and the model card `model.json` that `classify` needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nightschool.config import files
from nightschool.config.errors import DamagedFile, LearningError
from nightschool.config.paths import School
from nightschool.ledger.artifacts import damaged, unusable
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.recorded_files import recorded_files
from nightschool.stages.context import StageContext
from nightschool.stats.stage_results import (
    PrepResult,
    Record,
    TrainResult,
    read_record,
    write_record,
)

ADAPTER_WEIGHTS = "adapter_model.safetensors"
"""The file of an adapter's weights, as peft names it."""


class ModelCard(Record):
    """What an adapter needs to be used."""

    run: int
    base: str
    """The base model, as the settings name it."""
    base_fingerprint: str
    kinds: tuple[str, ...]
    known_kinds: tuple[str, ...] = ()
    """The kinds whose names were removed from its notes; empty in models of earlier versions."""
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
    """The model card of a run. Raises DamagedFile."""
    return read_record(card_file(school, run), ModelCard)


def check_model(school: School, run: int) -> None:
    """Verify the files of a published model. Raises DamagedFile, LearningError if it was pruned.

    Without a record, the weights are compared with what their training says of them.
    """
    recorded, adapter = recorded_files(school, run), school.model_folder(run) / "adapter"
    weights = adapter / ADAPTER_WEIGHTS
    if recorded.artifacts:
        with Ledger(school.ledger_file, writes=False) as ledger:
            if ledger.model_pruned(run):
                raise LearningError(
                    f"the model of run {run} was pruned", "`nightschool models` lists the others"
                )
    recorded.check(card_file(school, run))
    recorded.check_folder(adapter)
    if weights in recorded:
        return
    try:
        trained = read_record(school.run_folder(run) / "train.json", TrainResult)
        whole = files.sha256(weights) == trained.adapter_sha256
    except OSError as error:
        raise unusable(weights, error) from None
    except (DamagedFile, LearningError):  # such as a model without its run, from a copy
        return
    if not whole:
        raise damaged(weights, "it is not the adapter that its run trained")


def publish(context: StageContext, adapter: Path) -> None:
    """Copy an adapter with its model card to where `classify` looks for it: whole or not at all."""
    encoder = context.encoder(context.dataset().kinds)
    prepared = context.result(PrepResult)
    final = context.school.model_folder(context.run)
    card = ModelCard(
        run=context.run,
        base=context.settings.base,
        base_fingerprint=prepared.base_fingerprint,
        kinds=tuple(encoder.kinds),
        known_kinds=prepared.known_kinds,
        prompt=encoder.fingerprint,
        settings=context.settings.model_dump(),
    )
    with files.new_folder(final) as new:
        shutil.copytree(adapter, new / "adapter")
        write_record(new / "model.json", card)


def add_to_card(context: StageContext, temperature: float | None, threshold: float) -> None:
    """Complete the run's model card with what its comparison found; does nothing if it was deleted."""
    file = card_file(context.school, context.run)
    if os.path.lexists(file):
        card = read_record(file, ModelCard)
        update = {"temperature": temperature, "threshold": threshold}
        write_record(file, card.model_copy(update=update))
