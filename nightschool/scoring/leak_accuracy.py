"""The accuracy that word counts reach with label leaks in the texts, and without them."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from nightschool.notes.label_leaks import LeakAccuracy
from nightschool.notes.leak_candidates import LeakForm
from nightschool.scoring.cheap_baselines import classifier, gram_rows
from nightschool.scoring.leak_phrases import LabelledText
from nightschool.scoring.leak_search import FoundLeak, merged, sample
from nightschool.stats.intervals import codes_of
from nightschool.stats.paired import sign_flip

FOLDS = 5
_MOST_NOTES = 1000
_CHARACTERS = 1500
"""Of a longer text, so many at its beginning and as many at its end count."""
_LEVEL = 0.01


def without_topics(notes: Sequence[LabelledText], leaks: Sequence[FoundLeak]) -> list[FoundLeak]:
    """The leaks without those single words that word counts can do without: these are topics.

    Words stay only if word counts sort fewer notes correctly without them, beyond chance (1 %, by group).
    """
    words = [leak for leak in leaks if leak.candidate.form is LeakForm.WORD]
    others = [leak for leak in leaks if leak.candidate.form is not LeakForm.WORD]
    numbers = _measurable(notes)
    if not words or not numbers:
        return others
    chosen = [notes[n] for n in numbers]
    remaining = without(notes, others)
    with_words = _right(chosen, [remaining[n] for n in numbers])
    without_words = _right(chosen, [without(notes, leaks)[n] for n in numbers])
    difference = with_words.astype(np.int64) - without_words
    groups = codes_of([str(note.group) for note in chosen])
    lost = difference.sum() > 0 and sign_flip(difference, groups) <= 2 * _LEVEL
    return list(leaks) if lost else others


def leak_accuracy(notes: Sequence[LabelledText], leaks: Iterable[FoundLeak]) -> LeakAccuracy | None:
    """Out-of-fold accuracy, five-fold with whole groups; None if fewer than two kinds have five groups.

    From more than 1,000 notes a sample is drawn; of long ones only the beginning and the end count.
    """
    numbers = _measurable(notes)
    if not numbers:
        return None
    chosen, cleaned = [notes[n] for n in numbers], without(notes, leaks)
    given = _right(chosen, [note.text for note in chosen])
    rest = _right(chosen, [cleaned[n] for n in numbers])
    return LeakAccuracy(len(chosen), float(given.mean()), float(rest.mean()))


def without(notes: Sequence[LabelledText], leaks: Iterable[FoundLeak]) -> list[str]:
    """The texts without the places of the leaks."""
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for leak in leaks:
        for number, spans in leak.telling.items():
            places[number] += spans
    return [_cut(note.text, places[number]) for number, note in enumerate(notes)]


def _cut(text: str, spans: list[tuple[int, int]]) -> str:
    parts, place = [], 0
    for begin, end in merged(spans):
        parts.append(text[place:begin])
        place = end
    return " ".join([*parts, text[place:]])


def _measurable(notes: Sequence[LabelledText]) -> list[int]:
    """The numbers of notes of kinds with enough groups, at most 1,000; none if there are not two such kinds."""
    groups: dict[str, set[int | str]] = defaultdict(set)
    for note in notes:
        groups[note.kind].add(note.group)
    kinds = {kind for kind, own in groups.items() if len(own) >= FOLDS}
    if len(kinds) < 2:
        return []
    numbers = [number for number, note in enumerate(notes) if note.kind in kinds]
    return [numbers[n] for n in sample([notes[number].kind for number in numbers], _MOST_NOTES)]


def _right(notes: Sequence[LabelledText], texts: Sequence[str]) -> NDArray[np.bool_]:
    """Whether word counts, fitted on other groups, answer right for each note, given as these texts."""
    kinds = [note.kind for note in notes]
    shortened = [
        text if len(text) <= 2 * _CHARACTERS else f"{text[:_CHARACTERS]}\n{text[-_CHARACTERS:]}"
        for text in texts
    ]
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.filterwarnings("ignore", message="Number of classes in training fold")
        answers = cross_val_predict(
            classifier(),
            gram_rows(shortened),
            kinds,
            groups=[str(note.group) for note in notes],
            cv=StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0),
        )
    return np.asarray(answers == np.array(kinds))
