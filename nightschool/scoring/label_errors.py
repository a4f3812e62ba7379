"""Likely label errors: notes with whose kind a word-count model, fitted on the others, disagrees."""

from __future__ import annotations

import random
import warnings
from collections import defaultdict
from collections.abc import Sequence

from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from nightschool.config.printable import one_line
from nightschool.notes.inventory import LabelErrors, LikelyLabelError
from nightschool.notes.note import Note
from nightschool.scoring.cheap_baselines import classifier, gram_rows

FOLDS = 5
SHOWN = 20
# Enough to find errors; more would take minutes.
MOST_NOTES = 3000
MOST_CHARACTERS = 2000
_EXCERPT = 160
# If it agrees with fewer labels than this, its disagreement says more about the model.
_WEAK = 0.6


def find_label_errors(
    notes: Sequence[Note], groups: Sequence[int], most: int = SHOWN
) -> LabelErrors:
    """The labelled notes with the least plausible kinds, at most `most`, the least plausible first.

    Each note is judged by a model fitted without it and its group (near-duplicates, notes of one file or
    source): out-of-fold, 5 folds. Ranked by p(the model's answer) - p(the label), as in confident learning
    (Northcutt, Jiang & Chuang 2021). `groups` has a number for each note. Kinds with fewer than 5 groups
    cannot be judged; from more than 3,000 notes a sample is drawn.
    """
    labelled = [number for number, note in enumerate(notes) if note.kind is not None]
    remarks = []
    if len(labelled) > MOST_NOTES:
        remarks.append(f"{MOST_NOTES:,} of {len(labelled):,} notes were sampled")
        labelled = sorted(random.Random(0).sample(labelled, MOST_NOTES))
    chosen, few = _judgeable(labelled, notes, groups)
    if len({notes[n].kind for n in chosen}) < 2:
        needs = f"needs two kinds of at least {FOLDS} notes of different texts and sources each"
        return LabelErrors(0, 0, (), f"not checked: {needs}")
    if few:
        remarks.insert(
            0, f"too few notes of different texts and sources to judge: {', '.join(few)}"
        )
    kinds = [str(notes[n].kind) for n in chosen]
    with warnings.catch_warnings(), threadpool_limits(1):
        # If all groups of a rare kind fall into one fold, its probability is 0 there.
        warnings.filterwarnings("ignore", message="Number of classes in training fold")
        given = cross_val_predict(
            classifier(),
            gram_rows([notes[n].text[:MOST_CHARACTERS] for n in chosen]),
            kinds,
            groups=[groups[n] for n in chosen],
            cv=StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0),
            method="predict_proba",
        )
    names = sorted(set(kinds))
    doubted = []
    for number, kind, row in zip(chosen, kinds, given, strict=True):
        best = int(row.argmax())
        if names[best] != kind:
            own, other = float(row[names.index(kind)]), float(row[best])
            note = notes[number]
            doubted.append(
                LikelyLabelError(note.source, kind, names[best], own, other, _excerpt(note.text))
            )
    doubted.sort(key=lambda suspect: (suspect.p_kind - suspect.p_suggested, suspect.source))
    if len(doubted) > (1 - _WEAK) * len(chosen):
        remarks.append("the model often disagrees here, so single disagreements mean little")
    return LabelErrors(len(chosen), len(doubted), tuple(doubted[:most]), "; ".join(remarks))


def _judgeable(
    labelled: Sequence[int], notes: Sequence[Note], groups: Sequence[int]
) -> tuple[list[int], list[str]]:
    """The labelled notes whose kinds have enough groups, and the kinds that have too few."""
    of: dict[str, set[int]] = defaultdict(set)
    for n in labelled:
        of[str(notes[n].kind)].add(groups[n])
    few = sorted(kind for kind, own in of.items() if len(own) < FOLDS)
    return [n for n in labelled if notes[n].kind not in few], few


def _excerpt(text: str) -> str:
    flat = one_line(text[: 4 * _EXCERPT])
    return flat if len(flat) <= _EXCERPT else flat[: _EXCERPT - 1].rstrip() + "…"
