"""Classifies notes with a published adapter, in a child process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nightschool.config.errors import LearningError
from nightschool.config.paths import School
from nightschool.config.settings import Settings, recorded
from nightschool.config.settings_file import load
from nightschool.config.trusted_schools import check_base
from nightschool.learning.base import attach, load_base
from nightschool.learning.device import Device, lock, memory_capped, pick
from nightschool.learning.encoding import Encoder
from nightschool.learning.hub import fingerprint, locate
from nightschool.notes.none_of_the_above import none_kind
from nightschool.scoring.scorer import best, score
from nightschool.stages.child_jobs import ClassifiedNote, NoteText
from nightschool.stages.context import make_encoder
from nightschool.stages.parent import Parent
from nightschool.stages.publish import ModelCard, card_file, check_model, read_card
from nightschool.stats.calibration import scaled

if TYPE_CHECKING:
    from filelock import BaseFileLock


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A run's model, ready to answer. It holds the lock of its device as long as it exists."""

    card: ModelCard
    settings: Settings
    device: Device
    encoder: Encoder
    model: Any
    """A peft PeftModel."""
    held: BaseFileLock | None


def load_model(school: School, run: int, say: Callable[[str, str], None]) -> LoadedModel:
    """The model that a run published, on its own base and with its own prompt.

    Raises LearningError if it or its base is missing, DamagedFile if it was changed, DeviceBusy if another
    process trains or other programs hold the memory of its GPU.
    """
    folder = school.model_folder(run)
    if not card_file(school, run).exists():
        raise LearningError(
            f"the model of run {run} is missing from {folder}", "train again, or roll back"
        )
    check_model(school, run)
    card = read_card(school, run)
    settings = recorded(card.settings)
    check_base(settings.base, load(school.settings_file))
    base = locate(settings.base, school.root)
    if base is None:
        raise LearningError(
            f"base model {settings.base!r} is not on disk", "`nightschool doctor` says more"
        )
    if fingerprint(base) != card.base_fingerprint:
        raise LearningError(
            f"{base} is not the base that run {run} was trained on", "restore it, or train again"
        )
    device = pick(settings.train)
    # A second model beside one in training would not fit.
    held = lock(school, device) if device.torch.type != "cpu" else None
    encoder = make_encoder(settings, base, card.kinds)
    with memory_capped(device, settings.train):
        frozen = load_base(base, device, settings.train.quantisation, school.quantised, say)
        model = attach(frozen, folder / "adapter")
    return LoadedModel(card, settings, device, encoder, model, held)


def classify(
    school: School, run: int, notes: Sequence[NoteText], abstain: bool, parent: Parent
) -> None:
    """Score notes with the model of a run; sends one answer for each to the parent.

    Probabilities use the temperature that the run's comparison found on its validation notes, if any.
    With `abstain`, a note gets the kind none if its most probable kind is less probable than the model's
    threshold.
    """
    used = load_model(school, run, parent.say)
    card, encoder = used.card, used.encoder
    if abstain and card.threshold is None:
        raise LearningError(
            f"classify.abstain is on, and run {run} has no threshold (it was compared by an earlier "
            "version, or not at all)",
            "`nightschool run --new` finds one, or set classify.abstain = false",
        )
    encoded = [encoder.encode(note.text) for note in notes]
    rows = score(used.model, encoder, encoded, used.device)
    if card.temperature:
        rows = scaled(np.array(rows), card.temperature).tolist()
    threshold = card.threshold if abstain and card.threshold is not None else 0.0
    unsorted = none_kind(encoder.kinds, used.settings.notes.none) or "none"
    for note, tokens, row in zip(notes, encoded, rows, strict=True):
        likeliest = best(encoder.kinds, row)
        unsure = max(row) < threshold
        parent.classified(
            ClassifiedNote(
                source=note.source,
                kind=unsorted if unsure else likeliest,
                likeliest=likeliest,
                probability=max(row),
                unseen=tokens.left_out / max(1, tokens.characters),
                probabilities=dict(zip(encoder.kinds, row, strict=True)),
            )
        )
