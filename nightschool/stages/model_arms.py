"""What a loaded model says of the test notes: the base with an adapter or without, and the arms of
the ladder that stand on the sides."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from nightschool.scoring.scorer import best, read
from nightschool.stages.comparison_arms import wanted
from nightschool.stages.context import StageContext


class Answered(NamedTuple):
    """What an arm says of the test notes, in their order; its note says how it was made."""

    answers: list[str]
    probabilities: Sequence[Sequence[float]]
    note: str


class Count:
    """Tells the parent how many of all the notes are done, over several passes."""

    def __init__(self, context: StageContext, total: int) -> None:
        self._context, self._total, self._done = context, total, 0

    def some(self, notes: int) -> Callable[[int, int], None]:
        """For a pass over so many notes: to be called with how many of them are done."""
        before, self._done = self._done, self._done + notes

        def tell(done: int, _: int) -> None:
            self._context.parent.progress(before + min(done, notes), self._total, None, None)

        return tell


@dataclass(frozen=True, slots=True)
class ScoredSplits:
    """A model, its prompt, and what it says of the notes that it is not trained on."""

    context: StageContext
    model: Any
    """The transformers PreTrainedModel, or peft's."""
    encoder: Encoder
    device: Device
    test: Sequence[Item]
    probabilities: Sequence[Sequence[float]]
    """Of the test notes."""
    features: Floats | None
    """Of the test notes, where they are wanted: shape (notes, width)."""
    watched: Sequence[Item]
    """The validation notes."""
    watched_probabilities: Sequence[Sequence[float]]
    known: Sequence[Item]
    """The training notes."""
    count: Count


def score_splits(
    context: StageContext,
    model: Any,
    encoder: Encoder,
    device: Device,
    dataset: Dataset,
    encoded: Sequence[Encoded],
    untouched: bool,
) -> ScoredSplits:
    """Score the test and validation notes in one go; of an `untouched` base with what `measure` needs.

    `encoded` are the test notes. Raises Stopped between two passes.
    """
    test, watched, known = map(dataset.of, (Split.TEST, Split.VALIDATION, Split.TRAIN))
    arms = wanted(context.settings)[0] if untouched else []
    total = len(test) + len(watched)
    total += len(known) * ("features-lr" in arms) + len(test) * ("few-shot" in arms)
    count = Count(context, total)
    notes = [*encoded, *(encoder.encode(item.text) for item in watched)]
    scored = read(
        model, encoder, notes, device, features="features-lr" in arms,
        progress=count.some(len(notes)), should_stop=context.parent.should_stop,
    )  # fmt: skip
    n = len(test)
    return ScoredSplits(
        context, model, encoder, device, test, scored.probabilities[:n],
        None if scored.features is None else scored.features[:n],
        watched, scored.probabilities[n:], known, count,
    )  # fmt: skip


def measure(sides: ScoredSplits) -> dict[str, Any]:
    """The wanted arms, as the stage records them: `arms` (name -> answers, probabilities, seconds,
    note) and `absent` (name -> why). Raises Stopped between two passes."""
    ways: Mapping[str, Callable[[ScoredSplits], Answered]] = {
        "features-lr": _features_lr,
        "embeddings-lr": _embeddings_lr,
        "zero-shot": _zero_shot,
        "few-shot": _few_shot,
    }
    arms: dict[str, dict[str, Any]] = {}
    absent: dict[str, str] = {}
    for name in wanted(sides.context.settings)[0]:
        if name not in ways:
            continue
        began = time.monotonic()
        try:
            found = ways[name](sides)
        except (LearningError, RuntimeError) as error:
            if not isinstance(error, LearningError) and not out_of_memory(error):
                raise
            why = "out of memory" if isinstance(error, RuntimeError) else str(error)
            absent[name] = why
            sides.context.parent.say("warning", f"{name} is left out: {why}")
            continue
        arms[name] = {
            "answers": by_id(sides.test, found.answers),
            "probabilities": by_id(sides.test, rounded(found.probabilities)),
            "seconds": round(time.monotonic() - began, 3),
            "note": found.note,
        }
        right = sum(a == item.kind for a, item in zip(found.answers, sides.test, strict=True))
        sides.context.parent.say("state", f"{name}: {right} of {len(sides.test)} test notes right")
    return {"arms": arms, "absent": absent}


def by_id(items: Sequence[Item], values: Sequence[Any]) -> dict[str, Any]:
    return {item.id: value for item, value in zip(items, values, strict=True)}


def rounded(probabilities: Sequence[Sequence[float]]) -> list[list[float]]:
    """Six digits of each that count: a small probability does not become 0."""
    return [[float(f"{p:.6g}") for p in row] for row in probabilities]


def _zero_shot(sides: ScoredSplits) -> Answered:
    blanks = [sides.encoder.encode(text) for text in CONTENT_FREE]
    free = read(sides.model, sides.encoder, blanks, sides.device)
    rows = calibrated(sides.probabilities, free.probabilities).tolist()
    return _answered(sides, rows, "the untouched base, contextually calibrated")


def _few_shot(sides: ScoredSplits) -> Answered:
    shown, choice = with_examples(
        sides.encoder,
        # Made notes are for training: what a kind looks like, its owner's notes show.
        [(item.id, item.text, item.kind) for item in sides.known if not item.origin],
        context_length(sides.context.base_folder()),
    )
    sides.context.chose(choice)
    notes = [shown.encode(text) for text in (*CONTENT_FREE, *(item.text for item in sides.test))]
    scored = read(
        sides.model, shown, notes, sides.device,
        progress=sides.count.some(len(sides.test)), should_stop=sides.context.parent.should_stop,
    )  # fmt: skip
    free, rows = (
        scored.probabilities[: len(CONTENT_FREE)],
        scored.probabilities[len(CONTENT_FREE) :],
    )
    note = f"own training notes in the prompt ({choice.value}), contextually calibrated"
    return _answered(sides, calibrated(rows, free).tolist(), note)


def _features_lr(sides: ScoredSplits) -> Answered:
    notes = [sides.encoder.encode(item.text) for item in sides.known]
    known = read(
        sides.model, sides.encoder, notes, sides.device, features=True,
        progress=sides.count.some(len(notes)), should_stop=sides.context.parent.should_stop,
    )  # fmt: skip
    assert known.features is not None and sides.features is not None
    return _on_vectors(sides, known.features, sides.features)


def _embeddings_lr(sides: ScoredSplits) -> Answered:
    from nightschool.scoring.embeddings import embed

    context = sides.context
    folder = context.school.root / Path(context.settings.ladder.embeddings).expanduser()
    if not folder.is_dir():
        raise LearningError(f"there is no folder {folder}: set ladder.embeddings, then `run --new`")
    texts = [item.text for item in (*sides.known, *sides.test)]
    vectors = embed(folder, texts, sides.device.torch, context.parent.should_stop)
    return _on_vectors(sides, vectors[: len(sides.known)], vectors[len(sides.known) :])


def _on_vectors(sides: ScoredSplits, known: Floats, test: Floats) -> Answered:
    kinds = [item.kind for item in sides.known]
    groups = [item.group for item in sides.known]
    fitted = vectors_lr(known, kinds, groups, test, sides.encoder.kinds)
    return Answered(fitted.answers, fitted.probabilities, fitted.note)


def _answered(sides: ScoredSplits, rows: Sequence[Sequence[float]], note: str) -> Answered:
    return Answered([best(sides.encoder.kinds, row) for row in rows], rows, note)
