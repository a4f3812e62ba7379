"""Training notes that are made from the owner's: roughened copies, and near-misses of no kind.

They are marked by `Item.origin`, stand on the training side alone, and are made from notes of that
side alone: nothing of what is measured or watched with is in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from nightschool.notes.dataset import Dataset, Item, extended
from nightschool.notes.decoding import content_id
from nightschool.notes.none_of_the_above import cut_out, mixture
from nightschool.notes.roughening import roughen

ROUGHENED, CUT, MIXTURE = "roughened", "cut", "mixture"


def with_made(
    dataset: Dataset, *, rough: float, near_misses: float, none: str | None, seed: int
) -> Dataset:
    """A dataset with the notes that are made from it; the same for the same notes and seed.

    `rough` is the share of its training notes that get a roughened copy. Near-misses are made until
    the kind `none` has the share `near_misses` of what all other kinds have. Fewer are made where notes
    are too short or offer nothing.
    """
    training = dataset.of("train")
    made = [*_roughened(training, rough, seed)]
    warnings = [*_fewer("train.roughen", len(made), round(rough * len(training)))]
    if none is not None:
        sources = [item for item in training if item.kind != none]
        lacking = round(near_misses * len(sources)) - (len(training) - len(sources))
        found = _near_misses(sources, lacking, none, seed)
        warnings += _fewer("train.near_misses", len(found), lacking)
        made += found
    held_back = {item.id for item in dataset.items if item.side != "train"}
    dataset = extended(dataset, [item for item in made if content_id(item.text) not in held_back])
    warnings += _warnings(dataset, near_misses, none)
    return replace(dataset, warnings=(*dataset.warnings, *warnings))


def _fewer(setting: str, made: int, wanted: int) -> Iterator[str]:
    """Said where less than half of what was asked for could be made."""
    if made < wanted / 2:
        yield f"{setting}: only {made} of {wanted} could be made: the notes are too short or too plain"


def _warnings(dataset: Dataset, near_misses: float, none: str | None) -> Iterator[str]:
    """What is to be said about the kind that means none of the above."""
    own = any(item.kind == none and not item.origin for item in dataset.items)
    if none is None and near_misses:
        yield "train.near_misses: no kind means none of the above, so none are made (set notes.none)"
    elif none is not None and not own:
        yield (
            f'notes.none = "{none}", but no note is of that kind: it cannot be measured '
            "(`nightschool label` proposes some)"
        )


def _roughened(items: Sequence[Item], share: float, seed: int) -> Iterator[Item]:
    for item in _drawn(items, seed, ROUGHENED)[: round(share * len(items))]:
        text = roughen(item.text, f"{seed}:{item.id}")
        if text != item.text.strip():
            yield _made(item, text, ROUGHENED)


def _near_misses(items: Sequence[Item], count: int, none: str, seed: int) -> list[Item]:
    """Passages cut out and mixtures of two kinds, in turn."""
    found: list[Item] = []
    drawn = _drawn(items, seed, MIXTURE)
    for place, item in enumerate(drawn):
        if len(found) >= count:
            break
        if len(found) % 2 == 0:
            text = cut_out(item.text, f"{seed}:{item.id}")
            if text:
                found.append(_made(replace(item, kind=none), text, CUT))
            continue
        others = (drawn[(place + step) % len(drawn)] for step in range(1, len(drawn)))
        other = next((other for other in others if other.kind != item.kind), None)
        text = mixture(item.text, other.text) if other else None
        if other and text:
            source = f"{item.source} + {other.source}"
            found.append(_made(replace(item, kind=none, source=source), text, MIXTURE))
    return found


def _drawn(items: Iterable[Item], seed: int, what: str) -> list[Item]:
    """In the order of a hash, so that new notes do not change what is made of others."""
    return sorted(
        items, key=lambda item: hashlib.sha256(f"{seed}:{what}:{item.id}".encode()).digest()
    )


def _made(item: Item, text: str, origin: str) -> Item:
    """Its identity names its origin too: a copy may differ from a note in case alone."""
    id_ = hashlib.sha256(f"{origin}\n{item.kind}\n{text}".encode()).hexdigest()[:16]
    return replace(item, id=id_, text=text, origin=origin)
