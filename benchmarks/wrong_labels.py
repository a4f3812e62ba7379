"""Whether the inventory finds wrong labels, and whether its test of style is calibrated.

    python benchmarks/wrong_labels.py --notes ../shared/data/notes
    python benchmarks/wrong_labels.py --notes ... --draws 20 --share 0.1

`labels`: this share of the notes gets another kind at random, ten times. Reported is how many of the 20
notes that are shown as most likely mislabelled were changed, and how many would be by chance. `style`: the
notes are divided at random into labelled and unlabelled ones, so that they do not differ. Reported is how
often the 95 % interval of the AUC excludes 0.5 (it should in 5 of 100), for the style and for the words; then
the same with 4 of 10 unlabelled notes in small letters and without headings.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from dataclasses import replace
from pathlib import Path
from statistics import mean

from nightschool.notes.note import Note
from nightschool.notes.readers import read_notes
from nightschool.scoring.label_errors import SHOWN, find_label_errors
from nightschool.scoring.style_shift import compare_styles


def spoil(notes: list[Note], share: float, rng: random.Random) -> tuple[list[Note], set[str]]:
    """The notes with some kinds replaced, and the sources of these."""
    kinds = sorted({str(note.kind) for note in notes})
    wrong = set(rng.sample(range(len(notes)), round(share * len(notes))))
    spoilt = [
        replace(note, kind=rng.choice([kind for kind in kinds if kind != note.kind]))
        if number in wrong
        else note
        for number, note in enumerate(notes)
    ]
    return spoilt, {notes[number].source for number in wrong}


def labels(notes: list[Note], share: float, draws: int) -> dict[str, object]:
    hits, flagged = [], []
    for seed in range(draws):
        spoilt, wrong = spoil(notes, share, random.Random(seed))
        found = find_label_errors(spoilt, range(len(spoilt)))
        hits.append(sum(suspect.source in wrong for suspect in found.worst))
        flagged.append(found.disagreed)
    return {
        "figure": "labels", "wrong_share": share, "shown": SHOWN, "wrong_among_shown": mean(hits),
        "least": min(hits), "by_chance": round(share * SHOWN, 1), "disagreed": mean(flagged),
    }  # fmt: skip


def roughen(text: str) -> str:
    return re.sub(r"(?m)^#+ .*\n", "", text).lower()


def style(notes: list[Note], sizes: tuple[int, int], draws: int, rough: float) -> dict[str, object]:
    outside = {"style": 0, "words": 0}
    aucs: dict[str, list[float]] = {"style": [], "words": []}
    for seed in range(draws):
        rng = random.Random(seed)
        drawn = rng.sample(range(len(notes)), sum(sizes))
        labelled = [(notes[n].text, n) for n in drawn[: sizes[0]]]
        unlabelled = [
            (roughen(notes[n].text) if rng.random() < rough else notes[n].text, n)
            for n in drawn[sizes[0] :]
        ]
        found = compare_styles(labelled, unlabelled)
        for name, auc in (("style", found.style), ("words", found.words)):
            assert auc
            outside[name] += not auc.low <= 0.5 <= auc.high
            aucs[name].append(auc.value)
    return {
        "figure": "style", "sizes": sizes, "rough": rough, "draws": draws,
        **{f"{name}_auc": round(mean(values), 3) for name, values in aucs.items()},
        **{f"{name}_differs": count / draws for name, count in outside.items()},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--divisions", type=int, default=100)
    given = parser.parse_args()
    notes = [note for note in read_notes(given.notes).notes if note.kind is not None]
    print(json.dumps(labels(notes, given.share, given.draws)), flush=True)
    for sizes in ((300, 60), (150, 150), (40, 40)):
        print(json.dumps(style(notes, sizes, given.divisions, 0.0)), flush=True)
    print(json.dumps(style(notes, (300, 60), given.divisions, 0.4)), flush=True)


if __name__ == "__main__":
    main()
