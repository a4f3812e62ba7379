"""What the notes are: counts, lengths, languages, copies, and what looks wrong."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from nightschool.notes.decoding import content_id
from nightschool.notes.kinds import FEW_NOTES, each_kind_first
from nightschool.notes.languages import language
from nightschool.notes.new_notes import News
from nightschool.notes.readers import LoadedNotes, Note

_LIMITS = (128, 256, 512, 1024, 2048, 4096)

Unit = Literal["tokens", "characters"]
Groups = Sequence[Sequence[int]]
"""Notes that belong together, by their numbers."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What is lost where notes are cut at `limit`: the share of notes that are longer, and of all text."""

    limit: int
    notes: float
    text: float


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long the notes are; `histogram` counts labelled and unlabelled ones up to each power of two."""

    unit: Unit
    why: str
    """Why it is not tokens; "" where it is."""
    limit: int
    """Where training cuts, in tokens: train.max_tokens."""
    median: int
    p90: int
    longest: int
    cuts: tuple[Cut, ...]
    histogram: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class KindCount:
    """One kind; lengths in the unit of the inventory's `lengths`."""

    n: int
    median: int
    p90: int
    longest: int
    languages: dict[str, int]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A note whose kind the cheap model doubts, with what it gives its kind and its own answer."""

    source: str
    kind: str
    suggested: str
    p_kind: float
    p_suggested: float
    excerpt: str


@dataclass(frozen=True, slots=True)
class Suspects:
    """How often the cheap model disagrees with the labels of notes it was not fitted on."""

    judged: int
    disagreed: int
    worst: tuple[Suspect, ...]
    remark: str


@dataclass(frozen=True, slots=True)
class Auc:
    """Area under the ROC curve with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of form (`form.FEATURES`) and its means on both sides."""

    name: str
    labelled: float
    unlabelled: float


@dataclass(frozen=True, slots=True)
class Texture:
    """How well labelled and unlabelled notes can be told apart, by their form and by their words.

    None where there are too few to tell; `remark` says so. `features` are those that tell the most.
    """

    labelled: int
    unlabelled: int
    form: Auc | None
    words: Auc | None
    features: tuple[Feature, ...]
    remark: str


@dataclass(frozen=True, slots=True)
class ToMeasure:
    """What a run would keep to measure with: test notes by kind, and of how many groups they are."""

    kinds: dict[str, int]
    groups: int
    warnings: tuple[str, ...]
    """What prep would say about so few."""
    why_not: str = ""
    """Why there are none, and no run is possible."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that `nightschool notes` tells; groups hold sources, "source (kind)" in `contradictions`.

    What is None was not looked for.
    """

    total: int
    unlabelled: int
    kinds: dict[str, KindCount]
    thin: tuple[str, ...]
    lengths: Lengths
    languages: dict[str, int]
    duplicates: tuple[tuple[str, ...], ...]
    near_duplicates: tuple[tuple[str, ...], ...] | None
    contradictions: tuple[tuple[str, ...], ...]
    skipped: dict[str, int]
    warnings: tuple[str, ...]
    news: News | None = None
    suspects: Suspects | None = None
    texture: Texture | None = None
    to_measure: ToMeasure | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def take(
    reading: LoadedNotes,
    *,
    tokens: Sequence[int] | None = None,
    why: str = "",
    limit: int = 1024,
    languages: Sequence[str] | None = None,
    same: Groups | None = None,
    near: Groups | None = None,
) -> Inventory:
    """Count what was read.

    `tokens` are the notes' lengths; where there are none, characters are counted and `why` says
    for what reason. `limit` is train.max_tokens. `same` is what `copies` gives; `near` are groups of notes
    that are nearly the same, one of each content, or None where they were not looked for.
    """
    notes = reading.notes
    lengths = [len(note.text.strip()) for note in notes] if tokens is None else tokens
    if languages is None:
        languages = [language(note.text) for note in notes]
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, note in enumerate(notes):
        if note.kind is not None:
            numbers[note.kind].append(number)
    same = copies(notes) if same is None else same
    return Inventory(
        total=len(notes),
        unlabelled=sum(note.kind is None for note in notes),
        kinds={kind: _count(numbers[kind], lengths, languages) for kind in sorted(numbers)},
        thin=tuple(kind for kind in sorted(numbers) if len(numbers[kind]) < FEW_NOTES),
        lengths=_lengths(notes, lengths, "characters" if tokens is None else "tokens", why, limit),
        languages=_most_first(languages),
        duplicates=_sources(notes, (group for group in same if len(group) > 1)),
        near_duplicates=None if near is None else _sources(notes, near),
        contradictions=tuple(
            tuple(f"{notes[n].source} ({notes[n].kind})" for n in group)
            for group in _labelled(notes, alike(same, near or ()))
            if len({notes[n].kind for n in group}) > 1
        ),
        skipped=_most_first(skipped.reason for skipped in reading.skipped),
        warnings=reading.warnings,
    )


def copies(notes: Sequence[Note]) -> list[list[int]]:
    """The notes by their content (`text.content_id`), both in the order of the notes."""
    same: dict[str, list[int]] = defaultdict(list)
    for number, note in enumerate(notes):
        same[content_id(note.text)].append(number)
    return list(same.values())


def alike(same: Groups, near: Groups) -> list[list[int]]:
    """Groups of notes that are the same or nearly so: `near` with all copies of its notes, and the rest."""
    of = {group[0]: group for group in same}
    joined = [sorted(n for first in group for n in of[first]) for group in near]
    taken = {n for group in joined for n in group}
    return [*joined, *(list(group) for group in same if group[0] not in taken)]


def share_over(lengths: Sequence[int], limit: int) -> Cut:
    """What cutting at `limit` loses; a cut after a sentence loses a little more."""
    over = [length - limit for length in lengths if length > limit]
    return Cut(limit, len(over) / max(1, len(lengths)), sum(over) / max(1, sum(lengths)))


def _labelled(notes: Sequence[Note], groups: Groups) -> Iterator[list[int]]:
    """Those that have a kind, in the order of `each_kind_first`."""
    for group in groups:
        labelled = [n for n in group if notes[n].kind is not None]
        yield [labelled[place] for place in each_kind_first([notes[n].kind for n in labelled])]


def _sources(notes: Sequence[Note], groups: Iterable[Sequence[int]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(notes[n].source for n in group) for group in groups)


def _count(numbers: list[int], lengths: Sequence[int], languages: Sequence[str]) -> KindCount:
    own = sorted(lengths[n] for n in numbers)
    return KindCount(
        n=len(numbers),
        median=_quantile(own, 0.5),
        p90=_quantile(own, 0.9),
        longest=own[-1],
        languages=_most_first(languages[n] for n in numbers),
    )


def _lengths(
    notes: Sequence[Note], lengths: Sequence[int], unit: Unit, why: str, limit: int
) -> Lengths:
    ordered = sorted(lengths)
    longest = ordered[-1] if ordered else 0
    limits = sorted({limit, *(n for n in _LIMITS if n < longest)}) if unit == "tokens" else []
    bins = Counter(
        (max(0, length - 1).bit_length(), note.kind is None)
        for note, length in zip(notes, lengths, strict=True)
    )
    powers = range(min((b for b, _ in bins), default=0), max((b for b, _ in bins), default=-1) + 1)
    return Lengths(
        unit=unit,
        why=why,
        limit=limit,
        median=_quantile(ordered, 0.5),
        p90=_quantile(ordered, 0.9),
        longest=longest,
        cuts=tuple(share_over(lengths, n) for n in limits),
        histogram=tuple((2**b, bins[b, False], bins[b, True]) for b in powers),
    )


def _quantile(ordered: Sequence[int], share: float) -> int:
    """The smallest value that at least so large a share does not exceed; 0 of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0


def _most_first(names: Iterable[str]) -> dict[str, int]:
    counts = Counter(names)
    return {name: counts[name] for name in sorted(counts, key=lambda name: (-counts[name], name))}
