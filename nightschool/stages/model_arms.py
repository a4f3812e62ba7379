"""The answers of a loaded model to the test notes: the base with or without an adapter, and the
comparison arms that need the untouched base."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nightschool.config.errors import LearningError
from nightschool.learning.device import Device, out_of_memory
from nightschool.learning.encoding import Encoded, Encoder
from nightschool.learning.few_shot import with_examples
from nightschool.learning.hub import context_length
from nightschool.notes.dataset import Dataset, Item
from nightschool.notes.splits import Split
from nightschool.scoring.cheap_baselines import Floats, vectors_lr
from nightschool.scoring.contextual_calibration import CONTENT_FREE, calibrated
from nightschool.scoring.embeddings import embed
from nightschool.scoring.scorer import best, read
from nightschool.stages.comparison_arms import arms_to_measure
from nightschool.stages.context import StageContext
from nightschool.stats.stage_results import ArmAnswers
from nightschool.stats.terms import ArmName


class Answered(NamedTuple):
    """An arm's answers to the test notes, in their order; its note says how the arm was made."""

    answers: list[str]
    probabilities: Sequence[Sequence[float]]
    note: str


class ScoringProgress:
    """Reports to the parent how many of all notes are scored, over several passes."""

    def __init__(self, context: StageContext, total: int) -> None:
        self._context, self._total, self._done = context, total, 0

    def for_pass(self, notes: int) -> Callable[[int, int], None]:
        """A callback for a pass over that many notes, called with the number that is scored."""
        before, self._done = self._done, self._done + notes

        def report(done: int, _: int) -> None:
            self._context.parent.progress(before + min(done, notes), self._total, None, None)

        return report


@dataclass(frozen=True, slots=True)
class MeasuredArms:
    """The arms that were measured, and why the others are absent, by name."""

    measured: Mapping[str, ArmAnswers] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScoredSplits:
    """A model, its prompt, and its probabilities for the test and validation notes."""

    context: StageContext
    model: Any
    """The transformers PreTrainedModel, or peft's."""
    encoder: Encoder
    device: Device
    test: Sequence[Item]
    probabilities: Sequence[Sequence[float]]
    """Of the test notes."""
    features: Floats | None
    """Of the test notes, if an arm needs them: shape (notes, width)."""
    validation: Sequence[Item]
    validation_probabilities: Sequence[Sequence[float]]
    training: Sequence[Item]
    progress: ScoringProgress


def score_splits(
    context: StageContext,
    model: Any,
    encoder: Encoder,
    device: Device,
    dataset: Dataset,
    encoded: Sequence[Encoded],
    untouched: bool,
) -> ScoredSplits:
    """Score the test and validation notes together; for an `untouched` base with what `measure` needs.

    `encoded` are the test notes. Raises Stopped between two passes.
    """
    test, validation, training = map(dataset.of, (Split.TEST, Split.VALIDATION, Split.TRAIN))
    arms = arms_to_measure(context.settings)[0] if untouched else []
    total = len(test) + len(validation)
    total += len(training) * (ArmName.FEATURES_LR in arms) + len(test) * (ArmName.FEW_SHOT in arms)
    progress = ScoringProgress(context, total)
    notes = [*encoded, *(encoder.encode(item.text) for item in validation)]
    scored = read(
        model, encoder, notes, device, features=ArmName.FEATURES_LR in arms,
        progress=progress.for_pass(len(notes)), should_stop=context.parent.should_stop,
    )  # fmt: skip
    n = len(test)
    return ScoredSplits(
        context, model, encoder, device, test, scored.probabilities[:n],
        None if scored.features is None else scored.features[:n],
        validation, scored.probabilities[n:], training, progress,
    )  # fmt: skip


def measure(splits: ScoredSplits) -> MeasuredArms:
    """Measure the arms that need the base. Raises Stopped between two passes."""
    arms: Mapping[ArmName, Callable[[ScoredSplits], Answered]] = {
        ArmName.FEATURES_LR: _features_lr,
        ArmName.EMBEDDINGS_LR: _embeddings_lr,
        ArmName.ZERO_SHOT: _zero_shot,
        ArmName.FEW_SHOT: _few_shot,
    }
    measured: dict[str, ArmAnswers] = {}
    absent: dict[str, str] = {}
    for name in arms_to_measure(splits.context.settings)[0]:
        if name not in arms:
            continue
        began = time.monotonic()
        try:
            answered = arms[name](splits)
        except (LearningError, RuntimeError) as error:
            if not isinstance(error, LearningError) and not out_of_memory(error):
                raise
            absent[name] = "out of memory" if isinstance(error, RuntimeError) else str(error)
            splits.context.parent.say("warning", f"{name} is left out: {absent[name]}")
            continue
        measured[name] = ArmAnswers(
            answers=by_id(splits.test, answered.answers),
            probabilities=by_id(splits.test, rounded(answered.probabilities)),
            seconds=round(time.monotonic() - began, 3),
            note=answered.note,
        )
        correct = sum(a == i.kind for a, i in zip(answered.answers, splits.test, strict=True))
        message = f"{name}: {correct} of {len(splits.test)} test notes right"
        splits.context.parent.say("state", message)
    return MeasuredArms(measured, absent)


def by_id(items: Sequence[Item], values: Sequence[Any]) -> dict[str, Any]:
    """The values by the items' ids."""
    return {item.id: value for item, value in zip(items, values, strict=True)}


def rounded(probabilities: Sequence[Sequence[float]]) -> list[list[float]]:
    """Each with six significant digits, so that a small probability does not become 0."""
    return [[float(f"{p:.6g}") for p in row] for row in probabilities]


def _zero_shot(splits: ScoredSplits) -> Answered:
    blanks = [splits.encoder.encode(text) for text in CONTENT_FREE]
    free = read(splits.model, splits.encoder, blanks, splits.device)
    rows = calibrated(splits.probabilities, free.probabilities).tolist()
    return _answered(splits, rows, "the untouched base, contextually calibrated")


def _few_shot(splits: ScoredSplits) -> Answered:
    shown, choice = with_examples(
        splits.encoder,
        # Roughened copies are for training only; the owner's notes show what a kind looks like.
        [(item.id, item.text, item.kind) for item in splits.training if not item.origin],
        context_length(splits.context.base_folder()),
    )
    splits.context.report_choices(choice)
    notes = [shown.encode(text) for text in (*CONTENT_FREE, *(item.text for item in splits.test))]
    scored = read(
        splits.model, shown, notes, splits.device,
        progress=splits.progress.for_pass(len(splits.test)), should_stop=splits.context.parent.should_stop,
    )  # fmt: skip
    free, rows = (
        scored.probabilities[: len(CONTENT_FREE)],
        scored.probabilities[len(CONTENT_FREE) :],
    )
    note = f"own training notes in the prompt ({choice.value}), contextually calibrated"
    return _answered(splits, calibrated(rows, free).tolist(), note)


def _features_lr(splits: ScoredSplits) -> Answered:
    notes = [splits.encoder.encode(item.text) for item in splits.training]
    training = read(
        splits.model, splits.encoder, notes, splits.device, features=True,
        progress=splits.progress.for_pass(len(notes)), should_stop=splits.context.parent.should_stop,
    )  # fmt: skip
    assert training.features is not None and splits.features is not None
    return _on_vectors(splits, training.features, splits.features)


def _embeddings_lr(splits: ScoredSplits) -> Answered:
    context = splits.context
    folder = context.school.root / Path(context.settings.ladder.embeddings).expanduser()
    if not folder.is_dir():
        raise LearningError(
            f"there is no folder {folder}", "set ladder.embeddings, then `nightschool run --new`"
        )
    texts = [item.text for item in (*splits.training, *splits.test)]
    vectors = embed(folder, texts, splits.device.torch, context.parent.should_stop)
    return _on_vectors(splits, vectors[: len(splits.training)], vectors[len(splits.training) :])


def _on_vectors(splits: ScoredSplits, training: Floats, test: Floats) -> Answered:
    kinds = [item.kind for item in splits.training]
    groups = [item.group for item in splits.training]
    fitted = vectors_lr(training, kinds, groups, test, splits.encoder.kinds)
    return Answered(fitted.answers, fitted.probabilities, fitted.note)


def _answered(splits: ScoredSplits, rows: Sequence[Sequence[float]], note: str) -> Answered:
    return Answered([best(splits.encoder.kinds, row) for row in rows], rows, note)
