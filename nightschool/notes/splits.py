"""Groups of notes that belong on one side, and how groups are dealt to the sides."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nightschool.notes.components import Components
from nightschool.notes.decoding import normalise
from nightschool.notes.readers import Note

# With fewer notes, a kind is not measured.
LEAST = 3
# Which side a group has whose members stand on several: what was measured with is never given up,
# and what was only watched is the cheapest to do without.
_PRECEDENCE = ("test", "train", "validation")


def group_notes(
    copies: Mapping[str, Sequence[Note]], near: Iterable[Sequence[int]], same_source: bool
) -> dict[str, str]:
    """Content id -> group: the smallest id among those that hang together.

    `copies` holds the notes of each content, in ascending order of the ids; `near` the
    near-duplicates as numbers in that order. With `same_source`, notes of one file, and notes of one
    `origin`, belong together, also by way of their copies. Rows of a table have no file in common.
    """
    first: dict[int, str] = {}
    numbers = number_groups(list(copies.values()), near, same_source)
    return {id_: first.setdefault(number, id_) for id_, number in zip(copies, numbers, strict=True)}


def number_groups(
    copies: Sequence[Sequence[Note]], alike: Iterable[Sequence[int]], same_source: bool
) -> list[int]:
    """A number for each note, given as all its copies: the same for those of one group.

    `alike` are groups of notes that belong together, `same_source` as for `group_notes`.
    """
    found = Components(len(copies))
    found.join_all(alike)
    if same_source:
        first: dict[tuple[str, str], int] = {}
        for number, notes in enumerate(copies):
            for note in notes:
                for place in _places(note):
                    found.join(first.setdefault(place, number), number)
    return [int(label) for label in found.label]


def _places(note: Note) -> list[tuple[str, str]]:
    """What a note may have in common with others: the file that it was split from, its origin."""
    origin = normalise(note.origin)
    if "://" in origin:
        origin = origin.split("#")[0].rstrip("/")
    places = [("file", note.section_of), ("origin", origin)]
    return [(what, name) for what, name in places if name]


@dataclass(frozen=True, slots=True)
class Split:
    """`sides`: content id -> side; `left_out`: content id -> the side of its group, where it cannot go."""

    sides: dict[str, str]
    left_out: dict[str, str]


def deal(
    kinds: Mapping[str, str],
    groups: Mapping[str, str],
    claims: Mapping[str, set[str]],
    *,
    test: float,
    validation: float,
    seed: int,
) -> Split:
    """Deal contents (content id -> kind, content id -> group) to the sides, a group to one side.

    `claims`: the sides that a content has already; see `Sides.claims`. A group whose claims agree
    goes there whole. Where they differ, the group has the first of test, train, validation; members
    that claim another side are left out, for models were trained on them or measured with them, and so
    are members without a claim, which are like both. Groups without any claim fill up the sides'
    shares of each kind, in the order of a hash.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for id_ in sorted(kinds):
        members[groups[id_]].append(id_)
    split = Split({}, {})
    fresh = []
    for ids in members.values():
        claimed = set().union(*(claims.get(id_, set()) for id_ in ids))
        if not claimed:
            fresh.append(ids)
            continue
        certain = {side for id_ in ids if len(claims.get(id_, ())) == 1 for side in claims[id_]}
        side = next((side for side in _PRECEDENCE if side in certain), "")
        for id_ in ids:
            fits = claims.get(id_, claimed) == {side}
            (split.sides if fits else split.left_out)[id_] = side
    split.sides.update(_fill(fresh, kinds, split.sides, test, validation, seed))
    return split


def _fill(
    fresh: Sequence[Sequence[str]],
    kinds: Mapping[str, str],
    known: Mapping[str, str],
    test: float,
    validation: float,
    seed: int,
) -> dict[str, str]:
    """Sides for new groups. Each kind keeps a note to train on, and is measured where it can be."""
    order = sorted(fresh, key=lambda ids: hashlib.sha256(f"{seed}:{ids[0]}".encode()).digest())
    sizes = [Counter(kinds[id_] for id_ in ids) for ids in order]
    stands = Counter((kinds[id_], side) for id_, side in known.items())
    total = Counter(kinds[id_] for id_ in known) + sum(sizes, Counter())
    wanted = {
        (kind, side): max(least, round(share * n)) if n >= LEAST else 0
        for kind, n in total.items()
        for side, share, least in (("test", test, 1), ("validation", validation, 0))
    }

    def is_nearer(size: Counter[str], side: str) -> bool:
        """Whether a group brings its kinds nearer to their shares, and leaves notes to train on."""
        return all(
            2 * stands[kind, side] + n < 2 * wanted[kind, side]
            and stands[kind, "test"] + stands[kind, "validation"] + n < total[kind]
            for kind, n in size.items()
        )

    sides = []
    for size in sizes:
        side = next((side for side in ("test", "validation") if is_nearer(size, side)), "train")
        sides.append(side)
        stands.update({(kind, side): n for kind, n in size.items()})
    for kind in sorted(total):
        if total[kind] >= LEAST and not stands[kind, "test"]:
            # All its groups are larger than its share: it is measured with the smallest.
            spare = _smallest_spare(kind, sizes, sides, stands)
            if spare is not None:
                stands.subtract({(k, sides[spare]): n for k, n in sizes[spare].items()})
                stands.update({(k, "test"): n for k, n in sizes[spare].items()})
                sides[spare] = "test"
    return {id_: side for ids, side in zip(order, sides, strict=True) for id_ in ids}


def _smallest_spare(
    kind: str,
    sizes: Sequence[Counter[str]],
    sides: Sequence[str],
    stands: Mapping[tuple[str, str], int],
) -> int | None:
    """The smallest group with notes of a kind whose kinds all have others to train on."""
    spare = [
        number
        for number, (size, side) in enumerate(zip(sizes, sides, strict=True))
        if size[kind] and all(stands[k, "train"] > n * (side == "train") for k, n in size.items())
    ]
    return min(spare, key=lambda number: sizes[number].total(), default=None)
