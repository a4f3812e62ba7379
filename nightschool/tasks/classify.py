"""Sort notes with a promoted adapter, in a child process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nightschool.config.paths import School
from nightschool.config.settings import recorded
from nightschool.learning.base import attach, load_base, load_tokenizer
from nightschool.learning.device import lock, pick
from nightschool.learning.encoding import Encoder
from nightschool.learning.errors import LearningError
from nightschool.learning.hub import fingerprint, locate
from nightschool.notes.none import none_kind
from nightschool.scoring.calibration import scaled
from nightschool.scoring.scorer import best, score
from nightschool.tasks.child import Parent


def classify(
    school: School, run: int, notes: Sequence[Mapping[str, str]], abstain: bool, parent: Parent
) -> dict[str, Any]:
    """Score notes (`source`, `text`) with the model of a run; sends one `classified` message each.

    Probabilities are those with the temperature that the model's validation notes gave, where its
    comparison found one. With `abstain`, a note whose likeliest kind is less probable than the
    model's threshold gets the kind none.
    """
    folder = school.model_folder(run)
    try:
        model_card = json.loads((folder / "model.json").read_text("utf-8"))
    except OSError:
        raise LearningError(
            f"the model of run {run} is gone from {folder}: train again, or roll back"
        ) from None
    if abstain and "threshold" not in model_card:
        raise LearningError(
            f"classify.abstain is on, and run {run} has no threshold (it was compared by an earlier "
            "version, or not at all): `nightschool run --new` finds one, or set classify.abstain = false"
        )
    settings = recorded(model_card["settings"])
    base = locate(settings.base, school.root)
    if base is None:
        raise LearningError(
            f"base model {settings.base!r} is not on disk: `nightschool doctor` says more"
        )
    if fingerprint(base) != model_card["base_fingerprint"]:
        raise LearningError(
            f"{base} is not the base that run {run} was trained on: put it back, or train again"
        )
    device = pick(settings.train)
    if device.torch.type != "cpu":
        lock(school, device)  # a second model beside one in training would not fit
    encoder = Encoder(
        load_tokenizer(base),
        model_card["kinds"],
        settings.kinds,
        settings.prompt.instructions,
        settings.train.max_tokens,
    )
    frozen = load_base(base, device, settings.train.quantisation, school.quantised, parent.say)
    model = attach(frozen, folder / "adapter")
    encoded = [encoder.encode(note["text"]) for note in notes]
    rows = score(model, encoder, encoded, device)
    if temperature := model_card.get("temperature"):
        rows = scaled(np.array(rows), temperature).tolist()
    threshold = model_card["threshold"] if abstain else 0.0
    unsorted = none_kind(encoder.kinds, settings.notes.none) or "none"
    for note, seen, row in zip(notes, encoded, rows, strict=True):
        likeliest = best(encoder.kinds, row)
        unsure = max(row) < threshold
        parent.send(
            "classified",
            source=note["source"],
            kind=unsorted if unsure else likeliest,
            likeliest=likeliest,
            probability=max(row),
            unseen=seen.left_out / max(1, seen.characters),
            probabilities=dict(zip(encoder.kinds, row, strict=True)),
        )
    return {"outcome": "finished", "result": {"run": run}}
