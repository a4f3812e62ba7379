"""What the notes are: counts, lengths, languages, duplicates, and what is thin."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from nightschool.notes.readers import Reading
from nightschool.notes.text import content_id, japanese_share

# Below this, a kind's scores have intervals too wide to tell one model from another.
THIN = 20
_JAPANESE = 0.2


@dataclass(frozen=True, slots=True)
class KindCount:
    """One kind; lengths in characters, `japanese` as a share of its notes."""

    n: int
    median: int
    longest: int
    japanese: float


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that `nightschool notes` tells; duplicates and contradictions are groups of sources."""

    total: int
    unlabelled: int
    kinds: dict[str, KindCount]
    thin: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]
    contradictions: tuple[tuple[str, ...], ...]
    skipped: dict[str, int]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def take(reading: Reading) -> Inventory:
    """Count what was read."""
    texts: dict[str, list[str]] = defaultdict(list)
    same: dict[str, list[int]] = defaultdict(list)
    for number, note in enumerate(reading.notes):
        same[content_id(note.text)].append(number)
        if note.kind is not None:
            texts[note.kind].append(note.text)
    groups = [[reading.notes[n] for n in numbers] for numbers in same.values() if len(numbers) > 1]
    labelled = [[note for note in group if note.kind is not None] for group in groups]
    return Inventory(
        total=len(reading.notes),
        unlabelled=sum(note.kind is None for note in reading.notes),
        kinds={kind: _count(texts[kind]) for kind in sorted(texts)},
        thin=tuple(kind for kind in sorted(texts) if len(texts[kind]) < THIN),
        duplicates=tuple(tuple(note.source for note in group) for group in groups),
        contradictions=tuple(
            tuple(f"{note.source} ({note.kind})" for note in group)
            for group in labelled
            if len({note.kind for note in group}) > 1
        ),
        skipped=dict(Counter(skipped.reason for skipped in reading.skipped)),
        warnings=reading.warnings,
    )


def _count(texts: list[str]) -> KindCount:
    lengths = [len(text) for text in texts]
    japanese = sum(japanese_share(text) > _JAPANESE for text in texts)
    return KindCount(len(texts), round(median(lengths)), max(lengths), japanese / len(texts))
