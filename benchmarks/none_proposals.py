"""Precision of the first 20 proposals for "none of the above".

    python benchmarks/none_proposals.py --notes ../shared/data/notes

`--notes` is a folder with a sub-folder per kind. Each kind in turn plays "none": its notes and a random half
of the others form the unlabelled pool; the other half keeps its kinds. In the second table only one note in
ten of the pool is of no kind; in the third, five such notes are labelled, too. Five draws each; one JSON line
per kind with the mean, smallest and largest share among the first 20: of the proposals, of the simple model's
doubt alone, of the distance alone, and at random.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import numpy as np

FIRST, DRAWS = 20, 5


def orders(texts: Sequence[str], kinds: Sequence[str], pool: Sequence[str]) -> dict[str, list[int]]:
    """The pool in the order of each criterion, most likely of no kind first."""
    from nightschool.scoring.none_proposals import doubt_and_distance, order

    doubt, distance, _ = doubt_and_distance(texts, kinds, pool, "none")
    return {
        "proposed": order(doubt, distance),
        "doubt": list(np.argsort(-doubt, kind="stable")),
        "distance": list(np.argsort(-distance, kind="stable")),
    }


def shares(
    of: dict[str, list[str]], none: str, seed: int, known_none: int, rare: bool
) -> dict[str, float]:
    """The shares of one draw in which the kind `none` plays "none"."""
    numbers = random.Random(f"{none} {seed}")
    apart = numbers.sample(of[none], len(of[none]))
    others = [
        (text, f"kind {kind}") for kind, texts in of.items() if kind != none for text in texts
    ]
    numbers.shuffle(others)
    half = len(others) // 2
    hidden = apart[known_none:]
    if rare:
        hidden = hidden[: half // 9]
    known = [*others[:half], *((text, "none") for text in apart[:known_none])]
    pool = [(text, False) for text, _ in others[half:]] + [(text, True) for text in hidden]
    numbers.shuffle(pool)
    found = orders([t for t, _ in known], [k for _, k in known], [text for text, _ in pool])
    right = np.array([is_none for _, is_none in pool])
    return {
        **{name: float(right[order[:FIRST]].mean()) for name, order in found.items()},
        "random": float(right.mean()),
    }


def main() -> None:
    from nightschool.notes.readers import read_notes

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--notes", type=Path, required=True)
    given = parser.parse_args()
    of: dict[str, list[str]] = {}
    for note in read_notes(given.notes).notes:
        if note.kind:
            of.setdefault(note.kind, []).append(note.text[:2000])
    for rare, known_none in ((False, 0), (True, 0), (True, 5)):
        for none in sorted(of, key=lambda kind: (kind != "none", kind)):
            draws = [shares(of, none, seed, known_none, rare) for seed in range(DRAWS)]
            line: dict[str, object] = {"none": none, "rare": rare, "known": known_none}
            for name in draws[0]:
                values = [draw[name] for draw in draws]
                line[name] = [round(mean(values), 2), round(min(values), 2), round(max(values), 2)]
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
