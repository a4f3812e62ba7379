"""The inventory of the notes: counts, lengths, languages, copies, and what looks wrong."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from nightschool.notes.identity import content_id
from nightschool.notes.kinds import FEW_NOTES, each_kind_first
from nightschool.notes.label_leaks import LabelLeaks
from nightschool.notes.languages import language
from nightschool.notes.new_notes import NewNotes
from nightschool.notes.note import LoadedNotes, Note, SkipReason
from nightschool.notes.style_features import StyleFeature

_COMMON_LIMITS = (128, 256, 512, 1024, 2048, 4096)

Unit = Literal["tokens", "characters"]
Groups = Sequence[Sequence[int]]
"""Groups of notes, as positions in a list of notes."""


@dataclass(frozen=True, slots=True)
class TruncationLoss:
    """What truncation to `limit` loses: the share of notes that are longer, and the share of all text."""

    limit: int
    notes: float
    text: float


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long the notes are, in `unit`."""

    unit: Unit
    fallback_reason: str
    """Why lengths are not in tokens; "" if they are."""
    limit: int
    """The length to which training truncates, in tokens: train.max_tokens."""
    median: int
    p90: int
    longest: int
    cuts: tuple[TruncationLoss, ...]
    histogram: tuple[tuple[int, int, int], ...]
    """(upper bound, labelled notes, unlabelled notes); the upper bounds are powers of two."""


@dataclass(frozen=True, slots=True)
class KindCount:
    """The notes of one kind; lengths in the unit of `Inventory.lengths`."""

    n: int
    median: int
    p90: int
    longest: int
    languages: dict[str, int]


@dataclass(frozen=True, slots=True)
class LikelyLabelError:
    """A note that looks mislabelled, with the model's probabilities of its kind and of the suggested one."""

    source: str
    kind: str
    suggested: str
    p_kind: float
    p_suggested: float
    excerpt: str


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """How often a simple model disagrees with the labels of notes that it was not fitted on."""

    judged: int
    disagreed: int
    worst: tuple[LikelyLabelError, ...]
    remark: str


@dataclass(frozen=True, slots=True)
class Auc:
    """Area under the ROC curve with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Feature:
    """A style feature (`style_features.FEATURES`) and its means over both sets of notes."""

    name: StyleFeature
    labelled: float
    unlabelled: float


@dataclass(frozen=True, slots=True)
class StyleShift:
    """How well labelled and unlabelled notes can be told apart by their style and by their words."""

    labelled: int
    unlabelled: int
    style: Auc | None
    """None if there are too few notes; `remark` says so."""
    words: Auc | None
    features: tuple[Feature, ...]
    """Those that differ most."""
    remark: str


@dataclass(frozen=True, slots=True)
class ExpectedTestSplit:
    """The test notes that a run would have: their number by kind, and the number of their groups."""

    kinds: dict[str, int]
    groups: int
    warnings: tuple[str, ...]
    """What prep would warn about."""
    problem: str = ""
    """Why no run is possible; "" if one is."""


@dataclass(frozen=True, slots=True)
class SkippedCount:
    """What was skipped for one reason."""

    reason: SkipReason
    detail: str
    message: str
    n: int
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that `nightschool notes` reports. A field that is None was not determined.

    The groups hold sources, in `contradictions` "source (kind)".
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
    skipped: tuple[SkippedCount, ...]
    warnings: tuple[str, ...]
    news: NewNotes | None = None
    suspects: LabelErrors | None = None
    style_shift: StyleShift | None = None
    to_measure: ExpectedTestSplit | None = None
    label_leaks: LabelLeaks | None = None

    def as_dict(self) -> dict[str, Any]:
        """For `notes --json`, with the keys that version 0.1.0 introduced."""
        return asdict(self, dict_factory=_with_json_keys)


_JSON_KEYS = {
    "style_shift": "texture",
    "style": "form",
    "fallback_reason": "why",
    "problem": "why_not",
}


def _with_json_keys(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {_JSON_KEYS.get(name, name): value for name, value in fields}


def take_inventory(
    loaded: LoadedNotes,
    *,
    tokens: Sequence[int] | None = None,
    fallback_reason: str = "",
    limit: int = 1024,
    languages: Sequence[str] | None = None,
    same: Groups | None = None,
    near: Groups | None = None,
) -> Inventory:
    """Take the inventory of notes that were read.

    `tokens` are the lengths of the notes; without them, lengths are in characters, and `fallback_reason`
    says why. `limit` is train.max_tokens. `same` is the result of `group_copies`; `near` holds groups of
    near-duplicates, with one note of each content, or None if they were not determined.
    """
    notes = loaded.notes
    lengths = [len(note.text.strip()) for note in notes] if tokens is None else tokens
    if languages is None:
        languages = [language(note.text) for note in notes]
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, note in enumerate(notes):
        if note.kind is not None:
            numbers[note.kind].append(number)
    same = group_copies(notes) if same is None else same
    return Inventory(
        total=len(notes),
        unlabelled=sum(note.kind is None for note in notes),
        kinds={kind: _count(numbers[kind], lengths, languages) for kind in sorted(numbers)},
        thin=tuple(kind for kind in sorted(numbers) if len(numbers[kind]) < FEW_NOTES),
        lengths=_lengths(
            notes, lengths, "characters" if tokens is None else "tokens", fallback_reason, limit
        ),
        languages=_by_frequency(languages),
        duplicates=_sources(notes, (group for group in same if len(group) > 1)),
        near_duplicates=None if near is None else _sources(notes, near),
        contradictions=tuple(
            tuple(f"{notes[n].source} ({notes[n].kind})" for n in group)
            for group in _labelled(notes, with_copies(same, near or ()))
            if len({notes[n].kind for n in group}) > 1
        ),
        skipped=tuple(
            SkippedCount(
                group.reason, group.detail, group.message, len(group.sources), group.sources
            )
            for group in loaded.skipped_groups()
        ),
        warnings=loaded.warnings,
    )


def group_copies(notes: Sequence[Note]) -> list[list[int]]:
    """Groups of notes with equal content (`identity.content_id`), in the order of the notes."""
    same: dict[str, list[int]] = defaultdict(list)
    for number, note in enumerate(notes):
        same[content_id(note.text)].append(number)
    return list(same.values())


def with_copies(same: Groups, near: Groups) -> list[list[int]]:
    """The groups `near` with all copies of their notes, then the groups of `same` that are in none."""
    by_first = {group[0]: group for group in same}
    joined = [sorted(n for first in group for n in by_first[first]) for group in near]
    taken = {n for group in joined for n in group}
    return [*joined, *(list(group) for group in same if group[0] not in taken)]


def truncation_loss(lengths: Sequence[int], limit: int) -> TruncationLoss:
    """What truncation to `limit` loses; truncation after a whole sentence loses a little more."""
    over = [length - limit for length in lengths if length > limit]
    return TruncationLoss(limit, len(over) / max(1, len(lengths)), sum(over) / max(1, sum(lengths)))


def _labelled(notes: Sequence[Note], groups: Groups) -> Iterator[list[int]]:
    """The labelled notes of each group, in the order of `each_kind_first`."""
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
        languages=_by_frequency(languages[n] for n in numbers),
    )


def _lengths(
    notes: Sequence[Note],
    lengths: Sequence[int],
    unit: Unit,
    fallback_reason: str,
    limit: int,
) -> Lengths:
    ordered = sorted(lengths)
    longest = ordered[-1] if ordered else 0
    limits = (
        sorted({limit, *(n for n in _COMMON_LIMITS if n < longest)}) if unit == "tokens" else []
    )
    bins = Counter(
        (max(0, length - 1).bit_length(), note.kind is None)
        for note, length in zip(notes, lengths, strict=True)
    )
    powers = range(min((b for b, _ in bins), default=0), max((b for b, _ in bins), default=-1) + 1)
    return Lengths(
        unit=unit,
        fallback_reason=fallback_reason,
        limit=limit,
        median=_quantile(ordered, 0.5),
        p90=_quantile(ordered, 0.9),
        longest=longest,
        cuts=tuple(truncation_loss(lengths, n) for n in limits),
        histogram=tuple((2**b, bins[b, False], bins[b, True]) for b in powers),
    )


def _quantile(ordered: Sequence[int], share: float) -> int:
    """The smallest value that at least this share of the values does not exceed; 0 if there are none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0


def _by_frequency(names: Iterable[str]) -> dict[str, int]:
    counts = Counter(names)
    return {name: counts[name] for name in sorted(counts, key=lambda name: (-counts[name], name))}
