"""A proposal for [kinds]: what in a vault looks like the names of kinds, before the owner has said so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from nightschool.config.kind_settings import same_kind
from nightschool.config.notes_settings import FOLDER, TAGS
from nightschool.notes.exclusive_tags import exclusive_tags
from nightschool.notes.folder_names import core_name
from nightschool.notes.kind_evidence import COLUMN, KIND_TAGS, KindEvidence
from nightschool.notes.kind_stems import KIND_WORDS, is_usual
from nightschool.notes.none_of_the_above import NAMES as NONE_NAMES

_MAX_KINDS = 20
_MAX_FOLDERS = 100
_LEAST_SHARE = 0.1
"""Of the notes, those that must have a value of a property other than `kind`."""
_MOST = 0.5
_SEVERAL = 0.3
# Of two spellings, by difflib's measure.
_NEARLY_ALIKE = 0.85
_LONG_ENOUGH = 5
_SURE = (COLUMN, "kind", KIND_TAGS)
_USUAL_ORDER = ("kind", "type", FOLDER, TAGS)

Stems = dict[str, set[int]]
"""The notes of each kind, by what its names have in common."""


@dataclass(frozen=True, slots=True)
class ProposedKind:
    """A kind, its other names, and how many notes each source gives it."""

    name: str
    aliases: tuple[str, ...]
    found: tuple[tuple[str, str, int], ...]
    """(source, name, notes)."""


@dataclass(frozen=True, slots=True)
class KindProposal:
    """The kinds that the names in a vault suggest, and the settings that go with them."""

    kinds: tuple[ProposedKind, ...] = ()
    kind_from: tuple[str, ...] = ()
    """For notes.kind_from; () if the default suffices."""
    none: str = ""
    """For notes.none; "" if the kind of no kind is recognised by its name."""


def propose_kinds(evidence: KindEvidence) -> KindProposal:
    """Propose kinds from what label columns, properties, folders and tags name.

    Names of different sources that mean the same (Lessons, lesson, 教訓) are one kind with aliases.
    """
    least = 3 if evidence.notes >= 30 else 2 if evidence.notes >= 10 else 1
    _join_misspelt(evidence, least)
    chosen, key = _from_properties(evidence, least)
    sources = [*_SURE, *([key] if key else [])]
    has_property = len(set().union(*chosen.values())) >= _MOST * evidence.notes
    folders = _largest(evidence.stems(FOLDER), _MAX_FOLDERS)
    within = {stem: folders[stem] for stem in evidence.repeated if stem in folders}
    signs = _merged([chosen, _usual(evidence.stems(TAGS), 2), _usual(folders, 1), within])
    for stem, notes in folders.items():
        accepted = stem in chosen or is_usual(stem)
        if not accepted and not has_property and len(notes) >= least:
            accepted = not _is_topic(notes, stem, signs)
        if accepted:
            chosen = _merged([chosen, {stem: notes}])
    sources.append(FOLDER)
    chosen = _with_tags(evidence, chosen, least)
    sources.append(TAGS)
    largest = list(_largest(chosen, _MAX_KINDS))
    kinds = tuple(_kind(evidence, stem, sources) for stem in largest)
    none = next(
        (kind.name for stem, kind in zip(largest, kinds, strict=True) if stem == "none"), ""
    )
    return KindProposal(
        kinds,
        ("kind", key, *_USUAL_ORDER[1:]) if key and key not in _USUAL_ORDER else (),
        none if same_kind(none) not in NONE_NAMES else "",
    )


def _join_misspelt(evidence: KindEvidence, least: int) -> None:
    """Take a rare value of `kind` that nearly spells a frequent one for that: decison, decision."""
    values = evidence.stems("kind")
    frequent = [stem for stem, notes in values.items() if len(notes) >= least]
    for stem, notes in values.items():
        if len(notes) < least and len(stem) >= _LONG_ENOUGH and not re.search(r"\d", stem):
            for near in get_close_matches(stem, frequent, 1, _NEARLY_ALIKE):
                evidence.join(stem, near)


def _from_properties(evidence: KindEvidence, least: int) -> tuple[Stems, str]:
    """What sure sources name, and the property besides `kind` that names kinds; "" if none does."""
    chosen = _merged([evidence.stems(source) for source in _SURE])
    if len(chosen) > _MAX_KINDS:
        chosen = {stem: notes for stem, notes in chosen.items() if len(notes) >= least}
    for key in evidence.property_keys():
        values = evidence.stems(key)
        # A list may hold topics beside the kind.
        exclusive = exclusive_tags(
            values, least, [*chosen, *(each for each in values if is_usual(each))]
        )
        stems = {stem: values[stem] for stem in exclusive}
        share = len(set().union(*stems.values())) / max(1, evidence.notes)
        known = stems.keys() & chosen.keys() | {stem for stem in stems if is_usual(stem)}
        if key == "kind" or not 2 <= len(stems) <= _MAX_KINDS or share < _LEAST_SHARE:
            continue
        if key in KIND_WORDS or len(known) >= 2:
            return _merged([chosen, stems]), key
    return chosen, ""


def _with_tags(evidence: KindEvidence, chosen: Stems, least: int) -> Stems:
    """The chosen kinds with the notes of their tags, and with tags that are kinds themselves."""
    tags = evidence.stems(TAGS)
    if len(chosen) < 2:
        # If some tags are usual kinds, tags that never meet them are topics of other notes.
        usual = _usual(tags, least)
        possible = tags if len(usual.keys() | chosen.keys()) < 2 else usual
        names = exclusive_tags(possible, least, [*chosen, *usual])
        return _merged([chosen, {name: tags[name] for name in names}])
    usual = _usual(tags, least)
    for stem in sorted(tags.keys() & (usual.keys() | chosen.keys())):
        others = set().union(*(chosen[each] for each in chosen if each != stem))
        if stem in chosen or len(tags[stem] & others) < _MOST * len(tags[stem]):
            chosen = _merged([chosen, {stem: tags[stem]}])
    return chosen


def _is_topic(notes: set[int], stem: str, signs: Mapping[str, set[int]]) -> bool:
    """Whether the notes of a folder have several kinds, or mostly another one than its name says."""
    others = [notes & named for other, named in signs.items() if other != stem]
    others = [each for each in others if len(each) >= min(2, len(notes))]
    covered = len(set().union(*others)) / len(notes)
    return covered >= _MOST or (len(others) >= 2 and covered >= _SEVERAL)


def _largest(stems: Stems, most: int) -> Stems:
    """Those with the most notes, in that order."""
    largest = sorted(stems, key=lambda stem: (-len(stems[stem]), stem))[:most]
    return {stem: stems[stem] for stem in largest}


def _usual(stems: Stems, least: int) -> Stems:
    return {stem: notes for stem, notes in stems.items() if is_usual(stem) and len(notes) >= least}


def _merged(parts: Iterable[Mapping[str, set[int]]]) -> Stems:
    merged: Stems = {}
    for part in parts:
        for stem, notes in part.items():
            merged[stem] = merged.get(stem, set()) | notes
    return merged


def _kind(evidence: KindEvidence, stem: str, sources: Iterable[str]) -> ProposedKind:
    """A kind under the name that most of its notes have, without the number or sign that orders folders."""
    found = [
        (source, each.name, len(each.notes))
        for source in sources
        for each in evidence.names.get(source, {}).values()
        if each.stem == stem
    ]
    counts: Counter[str] = Counter()
    for _, name, notes in found:
        counts[name] += notes
    plain = [name for name in counts if "/" not in name and core_name(name) == same_kind(name)]
    written = max(plain or counts, key=lambda each: (counts[each], each.islower(), each))
    core = core_name(written)
    at = (
        same_kind(written).find(core)
        if not plain and len(same_kind(written)) == len(written)
        else 0
    )
    name = written[at : at + len(core)] if at > 0 else written
    aliases: dict[str, str] = {}
    for other in sorted(counts):
        if same_kind(other) != same_kind(name):
            aliases.setdefault(same_kind(other), other)
    found.sort(key=lambda each: -each[2])
    return ProposedKind(name, tuple(aliases.values()), tuple(found))
