"""Sort notes with a promoted adapter, in a child process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nightschool.config.paths import School
from nightschool.config.settings import recorded
from nightschool.learning.base import attach, load_base, load_tokenizer
from nightschool.learning.device import lock, pick
from nightschool.learning.encoding import Encoder
from nightschool.learning.errors import LearningError
from nightschool.learning.hub import fingerprint, locate
from nightschool.scoring.scorer import best, score
from nightschool.tasks.child import Parent


def classify(
    school: School, run: int, notes: Sequence[Mapping[str, str]], parent: Parent
) -> dict[str, Any]:
    """Score notes (`source`, `text`) with the model of a run; sends one `classified` message each."""
    folder = school.model_folder(run)
    try:
        model_card = json.loads((folder / "model.json").read_text("utf-8"))
    except OSError:
        raise LearningError(
            f"the model of run {run} is gone from {folder}: train again, or roll back"
        ) from None
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
    rows = score(model, encoder, [encoder.encode(note["text"]) for note in notes], device)
    for note, row in zip(notes, rows, strict=True):
        parent.send(
            "classified",
            source=note["source"],
            kind=best(encoder.kinds, row),
            probability=max(row),
            probabilities=dict(zip(encoder.kinds, row, strict=True)),
        )
    return {"outcome": "finished", "result": {"run": run}}
