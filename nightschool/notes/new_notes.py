"""What is new among the labelled notes since a run read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nightschool.notes.readers import Note

# What reads notes is imported late: the worker knows what news is, and reads none.


@dataclass(frozen=True, slots=True)
class News:
    """The labelled notes now against those that `run` read; copies count once."""

    run: int
    before: int
    now: int
    new: int
    """New contents, and those whose kind was changed. What is gone is not counted."""
    grown: tuple[str, ...]
    """Kinds that were thin (see `kinds.FEW_NOTES`), or not there, and are no longer."""


def labelled(notes: Iterable[Note]) -> dict[str, str]:
    """Content id -> kind; a content that stands under two kinds is left out, as a dataset does."""
    from nightschool.notes.decoding import content_id

    kinds: dict[str, str] = {}
    contrary = set()
    for note in notes:
        if note.kind is not None:
            id_ = content_id(note.text)
            if kinds.setdefault(id_, note.kind) != note.kind:
                contrary.add(id_)
    return {id_: kind for id_, kind in kinds.items() if id_ not in contrary}


def compare(run: int, before: Mapping[str, str], now: Mapping[str, str]) -> News:
    """Compare what `labelled` gives now with what it gave when a run read the notes."""
    from nightschool.notes.kinds import FEW_NOTES

    had, has = Counter(before.values()), Counter(now.values())
    return News(
        run=run,
        before=len(before),
        now=len(now),
        new=sum(before.get(id_) != kind for id_, kind in now.items()),
        grown=tuple(kind for kind in sorted(has) if had[kind] < FEW_NOTES <= has[kind]),
    )
