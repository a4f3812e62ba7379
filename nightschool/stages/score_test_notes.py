"""Scoring of the test notes, which baseline and evaluate share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nightschool.ledger.records import Answerer
from nightschool.notes.splits import Split
from nightschool.reports.text.wording import percent
from nightschool.stages.context import StageContext
from nightschool.stages.exposure import record_exposure
from nightschool.stats.stage_results import ScoringResult

if TYPE_CHECKING:
    from nightschool.stages.model_arms import MeasuredArms


def score_test_notes(
    context: StageContext, adapter: Path | None = None, seed: int | None = None, prefix: str = ""
) -> tuple[ScoringResult, MeasuredArms]:
    """Score the test notes, and the validation notes for temperature and threshold.

    Without an adapter, also measures the comparison arms that need the untouched base. Records the test
    exposure, with the adapter's `seed` if the run trains several. `prefix` goes before the logged result.
    Raises DeviceBusy, Stopped.
    """
    from nightschool.learning.base import attach  # lazy: torch
    from nightschool.learning.device import lock, memory_capped  # lazy: torch
    from nightschool.learning.encoding import cuts_in_words  # lazy: transformers
    from nightschool.scoring.scorer import best  # lazy: torch
    from nightschool.stages import model_arms  # lazy: torch

    dataset = context.dataset()
    test = dataset.of(Split.TEST)
    device = context.device()
    held = lock(context.school, device)
    encoder = context.encoder(dataset.kinds)
    encoded = [encoder.encode(item.text) for item in test]
    cuts = cuts_in_words(encoded, "test notes", encoder.max_tokens)
    if cuts:
        context.parent.say("warning", cuts)
    with memory_capped(device, context.settings.train):
        base = context.base(device)
        model = base if adapter is None else attach(base, adapter)
        splits = model_arms.score_splits(
            context, model, encoder, device, dataset, encoded, untouched=adapter is None
        )
        arms = model_arms.measure(splits) if adapter is None else model_arms.MeasuredArms()
    held.release()
    answerer = Answerer.BASE if adapter is None else Answerer.ADAPTER
    record_exposure(context, dataset, answerer, seed=seed)
    answers = [best(encoder.kinds, row) for row in splits.probabilities]
    correct = sum(answer == item.kind for answer, item in zip(answers, test, strict=True))
    share = f"{correct} of {len(test)} test notes right ({percent(correct / len(test))})"
    context.parent.say("state", prefix + share)
    result = ScoringResult(
        accuracy=correct / len(test),
        prompt=encoder.fingerprint,
        cut=sum(note.cut for note in encoded),
        warnings=(cuts,) if cuts else (),
        chosen=context.report_choices(*device.choices, *encoder.choices),
        answers=model_arms.by_id(test, answers),
        probabilities=model_arms.by_id(test, model_arms.rounded(splits.probabilities)),
        validation=model_arms.by_id(
            splits.validation, model_arms.rounded(splits.validation_probabilities)
        ),
    )
    return result, arms
