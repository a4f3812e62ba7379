"""Notes that look mislabelled: the cheap model, fitted on the others, disagrees with their kind."""

from __future__ import annotations

import random
import warnings
from collections import defaultdict
from collections.abc import Sequence

from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from nightschool.notes.inventory import Suspect, Suspects
from nightschool.notes.note import Note
from nightschool.notes.printable import one_line
from nightschool.scoring.cheap_baselines import classifier, gram_rows

FOLDS = 5
SHOWN = 20
# Enough to find what is wrong; more would take minutes.
MOST_NOTES = 3000
MOST_CHARACTERS = 2000
_EXCERPT = 160
# Below this agreement with the labels, the model's doubts say more about itself.
_WEAK = 0.6


def find_suspects(notes: Sequence[Note], groups: Sequence[int], most: int = SHOWN) -> Suspects:
    """The labelled notes of which the cheap model doubts the kind most: `most` at most, the worst first.

    Each is judged by a model fitted without it and without all notes of its group (near-copies,
    notes of one file or source): out-of-fold, 5 folds. Ranked by p(the model's answer) - p(the label), as in
    confident learning (Northcutt, Jiang & Chuang 2021). `groups`: a number for each note. Kinds of
    fewer than 5 groups cannot be judged; of more than 3,000 notes so many are drawn.
    """
    labelled = [number for number, note in enumerate(notes) if note.kind is not None]
    remarks = []
    if len(labelled) > MOST_NOTES:
        remarks.append(f"{MOST_NOTES:,} of {len(labelled):,} notes were drawn to be judged")
        labelled = sorted(random.Random(0).sample(labelled, MOST_NOTES))
    chosen, few = _judgeable(labelled, notes, groups)
    if len({notes[n].kind for n in chosen}) < 2:
        needs = f"needs two kinds of at least {FOLDS} notes of different texts and sources each"
        return Suspects(0, 0, (), f"not looked for: {needs}")
    if few:
        remarks.insert(
            0, f"too few notes of different texts and sources to judge: {', '.join(few)}"
        )
    kinds = [str(notes[n].kind) for n in chosen]
    with warnings.catch_warnings(), threadpool_limits(1):
        # Where all of a rare kind's groups fall into one fold: its probability is 0 there.
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
            doubted.append(Suspect(note.source, kind, names[best], own, other, _excerpt(note.text)))
    doubted.sort(key=lambda suspect: (suspect.p_kind - suspect.p_suggested, suspect.source))
    if len(doubted) > (1 - _WEAK) * len(chosen):
        remarks.append("the cheap model is often wrong here, so its doubts weigh little")
    return Suspects(len(chosen), len(doubted), tuple(doubted[:most]), "; ".join(remarks))


def _judgeable(
    labelled: Sequence[int], notes: Sequence[Note], groups: Sequence[int]
) -> tuple[list[int], list[str]]:
    """Those of the labelled notes whose kinds have enough groups, and the kinds that have too few."""
    of: dict[str, set[int]] = defaultdict(set)
    for n in labelled:
        of[str(notes[n].kind)].add(groups[n])
    few = sorted(kind for kind, own in of.items() if len(own) < FOLDS)
    return [n for n in labelled if notes[n].kind not in few], few


def _excerpt(text: str) -> str:
    flat = one_line(text[: 4 * _EXCERPT])
    return flat if len(flat) <= _EXCERPT else flat[: _EXCERPT - 1].rstrip() + "…"
