"""Train, validation and test: which notes must share a split, and how groups are assigned to splits."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nightschool.notes.components import Components
from nightschool.notes.identity import normalise
from nightschool.notes.note import Note


class Split(StrEnum):
    """What a labelled note is used for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


MIN_NOTES_TO_MEASURE = 3
"""A kind with fewer different notes gets no test notes."""

# The split of a group whose members have several: test notes are never given up, and losing a
# validation note costs least.
_PRECEDENCE = (Split.TEST, Split.TRAIN, Split.VALIDATION)


def group_notes(
    copies: Mapping[str, Sequence[Note]], near: Iterable[Sequence[int]], same_source: bool
) -> dict[str, str]:
    """Map each content id to its group, which is named by the smallest content id in it.

    `copies` holds the notes of each content, in ascending order of content ids; `near` lists groups of
    near-duplicates as positions in that order. With `same_source`, notes of one file and notes of one
    `origin` share a group, also through their copies. Rows of a table do not count as notes of one file.
    """
    names: dict[int, str] = {}
    numbers = number_groups(list(copies.values()), near, same_source)
    return {id_: names.setdefault(number, id_) for id_, number in zip(copies, numbers, strict=True)}


def number_groups(
    copies: Sequence[Sequence[Note]], alike: Iterable[Sequence[int]], same_source: bool
) -> list[int]:
    """The group number of each note, where a note is given as the list of its copies.

    `alike` lists groups of positions in `copies`; for `same_source` see `group_notes`.
    """
    components = Components(len(copies))
    components.join_all(alike)
    if same_source:
        first: dict[tuple[str, str], int] = {}
        for number, notes in enumerate(copies):
            for note in notes:
                for place in _shared_places(note):
                    components.join(first.setdefault(place, number), number)
    return [int(label) for label in components.label]


def _shared_places(note: Note) -> list[tuple[str, str]]:
    """What a note can have in common with others: the file it is a section of, and its origin."""
    origin = normalise(note.origin)
    if "://" in origin:
        origin = origin.split("#")[0].rstrip("/")
    places = [("file", note.section_of), ("origin", origin)]
    return [(what, name) for what, name in places if name]


@dataclass(frozen=True, slots=True)
class Assignment:
    """The split of each content id, and the ids of contents that fit into no split."""

    splits: dict[str, Split]
    left_out: set[str]


def assign(
    kinds: Mapping[str, str],
    groups: Mapping[str, str],
    claims: Mapping[str, set[Split]],
    *,
    test: float,
    validation: float,
    seed: int,
) -> Assignment:
    """Assign contents (content id -> kind, content id -> group) to splits, each group to one split.

    `claims`: the splits that a content already has; see `SplitAssignments.claims`. A group whose claims
    agree goes to that split. If they differ, the group gets the first of test, train and validation.
    Members that claim another split are left out, because earlier models were trained on or measured
    with them; so are members without a claim, because they resemble notes of both splits. Groups
    without any claim fill up each kind's shares `test` and `validation`, in the order of a seeded hash.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for id_ in sorted(kinds):
        members[groups[id_]].append(id_)
    assignment = Assignment({}, set())
    unclaimed = []
    for ids in members.values():
        claimed = set().union(*(claims.get(id_, set()) for id_ in ids))
        if not claimed:
            unclaimed.append(ids)
            continue
        certain = {split for id_ in ids if len(claims.get(id_, ())) == 1 for split in claims[id_]}
        chosen = next((split for split in _PRECEDENCE if split in certain), None)
        for id_ in ids:
            if chosen and claims.get(id_, claimed) == {chosen}:
                assignment.splits[id_] = chosen
            else:
                assignment.left_out.add(id_)
    assignment.splits.update(
        _fill(
            unclaimed,
            kinds,
            assignment.splits,
            {Split.TEST: test, Split.VALIDATION: validation},
            seed,
        )
    )
    return assignment


def _fill(
    unclaimed: Sequence[Sequence[str]],
    kinds: Mapping[str, str],
    assigned: Mapping[str, Split],
    shares: Mapping[Split, float],
    seed: int,
) -> dict[str, Split]:
    """Assign new groups: each kind keeps a training note, and gets a test note if possible."""
    order = sorted(unclaimed, key=lambda ids: hashlib.sha256(f"{seed}:{ids[0]}".encode()).digest())
    sizes = [Counter(kinds[id_] for id_ in ids) for ids in order]
    counts = Counter((kinds[id_], split) for id_, split in assigned.items())
    total = Counter(kinds[id_] for id_ in assigned) + sum(sizes, Counter())
    targets = {
        (kind, split): max(int(split is Split.TEST), round(share * n))
        if n >= MIN_NOTES_TO_MEASURE
        else 0
        for kind, n in total.items()
        for split, share in shares.items()
    }

    def fits(size: Counter[str], split: Split) -> bool:
        """Whether a group brings each of its kinds nearer to its share and leaves training notes."""
        return all(
            2 * counts[kind, split] + n < 2 * targets[kind, split]
            and counts[kind, Split.TEST] + counts[kind, Split.VALIDATION] + n < total[kind]
            for kind, n in size.items()
        )

    splits = []
    for size in sizes:
        split = next((split for split in shares if fits(size, split)), Split.TRAIN)
        splits.append(split)
        counts.update({(kind, split): n for kind, n in size.items()})
    for kind in sorted(total):
        if total[kind] >= MIN_NOTES_TO_MEASURE and not counts[kind, Split.TEST]:
            # All groups of the kind exceed its share: the smallest one becomes its test notes.
            spare = _smallest_spare(kind, sizes, splits, counts)
            if spare is not None:
                counts.subtract({(k, splits[spare]): n for k, n in sizes[spare].items()})
                counts.update({(k, Split.TEST): n for k, n in sizes[spare].items()})
                splits[spare] = Split.TEST
    return {id_: split for ids, split in zip(order, splits, strict=True) for id_ in ids}


def _smallest_spare(
    kind: str,
    sizes: Sequence[Counter[str]],
    splits: Sequence[Split],
    counts: Mapping[tuple[str, Split], int],
) -> int | None:
    """The smallest group with notes of a kind that none of its kinds needs for training."""
    spare = [
        number
        for number, (size, split) in enumerate(zip(sizes, splits, strict=True))
        if size[kind]
        and all(counts[k, Split.TRAIN] > n * (split is Split.TRAIN) for k, n in size.items())
    ]
    return min(spare, key=lambda number: sizes[number].total(), default=None)
