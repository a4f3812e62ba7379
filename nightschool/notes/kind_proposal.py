"""A proposal for [kinds]: what in a vault looks like the names of kinds, before you have said so."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nightschool.config.kind_settings import same_kind
from nightschool.notes.kind_resolution import NO_KINDS, KindCandidates
from nightschool.notes.kinds import kind_name

# Properties whose values may be kinds, in order of preference.
KIND_PROPERTIES = (
    "kind",
    "type",
    "category",
    "class",
    "種類",
    "種別",
    "カテゴリ",
    "カテゴリー",
    "分類",
)
# Names in use for kinds of notes that mean the same.
_SYNONYMS = {
    "教訓": "lesson", "学び": "lesson", "lesson learned": "lesson", "lessons learned": "lesson",
    "知識": "knowledge", "fact": "knowledge", "価値観": "value", "principle": "value",
    "決定": "decision", "決定事項": "decision", "設計判断": "decision",
    "design decision": "decision", "adr": "decision",
    "なし": "none", "その他": "none", "other": "none", "misc": "none",
}  # fmt: skip
_LEAST_NOTES = 3
_LEAST_SHARE = 0.1  # of the notes that have any value, for a property other than `kind`
_MAX_KINDS = 20
_MAX_COUNTS = 12


@dataclass(frozen=True, slots=True)
class NamedCount:
    """A name and the number of notes that have it."""

    name: str
    notes: int


@dataclass(frozen=True, slots=True)
class ProposedKind:
    """A kind, its other spellings, and the number of notes that any of them names."""

    name: str
    aliases: tuple[str, ...]
    notes: int


@dataclass(frozen=True, slots=True)
class KindProposal:
    """What was found in a vault, the most frequent first, and the kinds that it suggests."""

    notes: int
    folders: tuple[NamedCount, ...]
    properties: dict[str, tuple[NamedCount, ...]]
    """The values of each property that may name kinds."""
    tags: tuple[NamedCount, ...]
    kinds: tuple[ProposedKind, ...]
    kind_from: tuple[str, ...]
    """For notes.kind_from: the default, or with the property that names the kinds."""


def propose_kinds(candidates: Sequence[KindCandidates]) -> KindProposal:
    """Propose kinds from what properties, top folders and tags name.

    Names come from `kind:`; without it from another property of `KIND_PROPERTIES`, else from the folders,
    else from the tags. Names of the other sources that mean the same (Lessons, lesson) become aliases.
    """
    folders = _counted(
        name for each in candidates for name in each.folders[:1] if same_kind(name) not in NO_KINDS
    )
    tags = _counted(
        tag for each in candidates for tag in {*each.tags, *(tag.name for tag in each.text_tags)}
    )
    properties = {
        key: counts
        for key in KIND_PROPERTIES
        if (counts := _counted(name for each in candidates for name in each.names(key)))
    }
    key, named = _naming(properties, len(candidates))
    if not named:
        named = [each for each in folders if each.notes >= _LEAST_NOTES]
    if len(named) < 2:
        named = [each for each in tags if each.notes >= _LEAST_NOTES and "/" not in each.name]
    kinds = _with_aliases(named[:_MAX_KINDS], [folders, tags, *properties.values()])
    order: tuple[str, ...] = ("kind", "type", "folder", "tags")
    if key and key not in order:
        order = ("kind", key, "type", "folder", "tags")
    return KindProposal(
        len(candidates), folders[:_MAX_COUNTS], properties, tags[:_MAX_COUNTS], kinds, order
    )


def _counted(names: Iterable[str]) -> tuple[NamedCount, ...]:
    counts = Counter(names)
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    return tuple(NamedCount(name, counts[name]) for name in ordered)


def _naming(
    properties: dict[str, tuple[NamedCount, ...]], notes: int
) -> tuple[str, list[NamedCount]]:
    """The property whose values are the kinds, and these values; ("", []) if there is none."""
    for key, counts in properties.items():
        frequent = [each for each in counts if each.notes >= _LEAST_NOTES]
        share = sum(each.notes for each in frequent) / max(1, notes)
        if 2 <= len(frequent) <= _MAX_KINDS and (key == "kind" or share >= _LEAST_SHARE):
            return key, frequent
    return "", []


def _with_aliases(
    named: Sequence[NamedCount], others: Sequence[Sequence[NamedCount]]
) -> tuple[ProposedKind, ...]:
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for each in named:
        spellings[_stem(each.name)][each.name] += each.notes
    for counts in others:
        for each in counts:
            if (stem := _stem(each.name)) in spellings:
                spellings[stem].setdefault(each.name, 0)
                spellings[stem][each.name] = max(spellings[stem][each.name], each.notes)
    proposed = []
    for names in spellings.values():
        name = max(names, key=lambda each: (names[each], each.islower(), each))
        aliases: dict[str, str] = {}
        for other in sorted(names):
            if same_kind(other) != same_kind(name):
                aliases.setdefault(same_kind(other), other)
        proposed.append(ProposedKind(name, tuple(aliases.values()), sum(names.values())))
    return tuple(sorted(proposed, key=lambda each: (-each.notes, each.name)))


def _stem(name: str) -> str:
    """What a name has in common with its plural and with its tag."""
    plain = re.sub(r"[-_\s]+", " ", same_kind(kind_name(name) or "")).strip()
    plain = re.sub(r"^(?:kind|type)/", "", plain)
    if plain.isascii() and len(plain) > 3:
        plain = re.sub(r"ies$", "y", plain)
        plain = re.sub(r"(?<![su])s$", "", plain)
    return _SYNONYMS.get(plain, plain)
