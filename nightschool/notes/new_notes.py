"""Which labelled notes are new since a run read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nightschool.notes.identity import content_id
from nightschool.notes.kinds import FEW_NOTES
from nightschool.notes.note import Note


@dataclass(frozen=True, slots=True)
class NewNotes:
    """The labelled notes now, compared with those that `run` read; copies count once."""

    run: int
    before: int
    now: int
    new: int
    """Number of new contents and of contents with another kind; missing ones do not count."""
    grown: tuple[str, ...]
    """Kinds that had fewer than `kinds.FEW_NOTES` notes, and have as many or more now."""


def labelled(notes: Iterable[Note]) -> dict[str, str]:
    """Content id -> kind; contents with two kinds are left out, as in a dataset."""
    kinds: dict[str, str] = {}
    contradictory = set()
    for note in notes:
        if note.kind is not None:
            id_ = content_id(note.text)
            if kinds.setdefault(id_, note.kind) != note.kind:
                contradictory.add(id_)
    return {id_: kind for id_, kind in kinds.items() if id_ not in contradictory}


def compare(run: int, before: Mapping[str, str], now: Mapping[str, str]) -> NewNotes:
    """Compare the result of `labelled` now with its result when `run` read the notes."""
    counts_before, counts = Counter(before.values()), Counter(now.values())
    return NewNotes(
        run=run,
        before=len(before),
        now=len(now),
        new=sum(before.get(id_) != kind for id_, kind in now.items()),
        grown=tuple(
            kind for kind in sorted(counts) if counts_before[kind] < FEW_NOTES <= counts[kind]
        ),
    )
