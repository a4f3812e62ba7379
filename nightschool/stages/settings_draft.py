"""The settings that a first look proposes, as the owner answers: for a new `nightschool.toml` or an old one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nightschool.config.errors import ConfigError
from nightschool.config.kind_settings import KindSettings, ambiguous_name, same_kind
from nightschool.config.notes_settings import FOLDER, TAGS, NotesSettings
from nightschool.config.settings import Settings
from nightschool.notes.kind_evidence import COLUMN, KIND_TAGS
from nightschool.notes.kind_proposal import ProposedKind
from nightschool.notes.kind_stems import kind_stem
from nightschool.notes.kinds import KnownKinds, known_kinds
from nightschool.stages.first_look import FirstLook

ALL, NOTHING = "all", "none"
"""The answers that are no names."""


@dataclass(frozen=True, slots=True)
class SettingsDraft:
    """What to write into `nightschool.toml`."""

    kinds: dict[str, KindSettings] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    """By kind, a comment: how many notes have it, by what."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Values for [notes]."""

    def applied(self, notes: NotesSettings) -> NotesSettings:
        """These settings of [notes] with those of the draft."""
        return notes.model_copy(update=self.notes)


def draft(look: FirstLook, kinds: str = ALL, exclude: str = ALL) -> SettingsDraft:
    """The settings that follow from a first look and the owner's answers.

    An answer is "all", "none", or names separated by commas; "-name" leaves one of all out. Names that were
    not proposed are added. Raises ConfigError if an answer names what is not there, or one name twice.
    """
    proposed = {each.name: each for each in look.proposal.kinds}
    chosen = _chosen(
        kinds, {same_kind(n): k.name for k in look.proposal.kinds for n in (k.name, *k.aliases)}
    )
    patterns = _chosen(exclude, {pattern: pattern for pattern in look.exclude})
    settings = {
        name: KindSettings(aliases=list(proposed[name].aliases) if name in proposed else [])
        for name in chosen
    }
    if problem := ambiguous_name(settings):
        raise ConfigError(problem)
    notes: dict[str, Any] = dict(look.columns)
    if patterns:
        notes["exclude"] = patterns
    if settings and look.proposal.kind_from:
        notes["kind_from"] = list(look.proposal.kind_from)
    if look.proposal.none in settings:
        notes["none"] = look.proposal.none
    remarks = {name: remark(proposed[name]) for name in chosen if name in proposed}
    return SettingsDraft(settings, remarks, notes)


def remark(kind: ProposedKind) -> str:
    """What names a kind, and how often: "folder Lessons (20), tag lesson (3)"."""
    words = {FOLDER: "folder", TAGS: "tag", KIND_TAGS: "tag", COLUMN: "label"}
    parts = (
        f"{words[source]} {name} ({n})" if source in words else f"{source}: {name} ({n})"
        for source, name, n in kind.found
    )
    return ", ".join(parts)


def _chosen(answer: str, offered: Mapping[str, str]) -> list[str]:
    """The names that an answer chooses; `offered` holds each by its spellings."""
    entries = [entry.strip() for entry in re.split("[,、，]", answer) if entry.strip()]
    everything = list(dict.fromkeys(offered.values()))
    if [entry.casefold() for entry in entries] == [NOTHING]:  # also if a kind is called so
        return []
    if not entries or [entry.casefold() for entry in entries] == [ALL]:
        return everything
    left_out, chosen = [], []
    for entry in entries:
        name = entry.removeprefix("-").strip()
        found = offered.get(same_kind(name), offered.get(name))
        if not entry.startswith("-"):
            chosen.append(found or name)
        elif found:
            left_out.append(found)
        else:
            some = ", ".join(everything) or "nothing"
            raise ConfigError(f'"{name}" is not among what was found', f"leave out one of: {some}")
    return [name for name in dict.fromkeys(chosen or everything) if name not in left_out]


def additions(
    look: FirstLook, settings: Settings, kinds: str = ALL, exclude: str = ALL
) -> SettingsDraft:
    """What a school's settings lack of the draft.

    If they list kinds, only further names of these, and the kinds that the answer names.
    """
    proposed = draft(look, kinds, exclude)
    notes = {key: value for key, value in proposed.notes.items() if key == "exclude"}
    if not settings.kinds:
        given = settings.notes.model_fields_set
        further = {key: value for key, value in proposed.notes.items() if key not in given}
        return SettingsDraft(proposed.kinds, proposed.remarks, notes | further)
    known = known_kinds(settings.kinds)
    listed: dict[str, set[str]] = defaultdict(set)
    for kind, each in settings.kinds.items():
        for name in (kind, *each.aliases):
            listed[kind_stem(name)].add(kind)
    aliases: dict[str, KindSettings] = {}
    for found in look.proposal.kinds:
        names = (found.name, *found.aliases)
        new = [name for name in names if not _is_known(known, name)]
        owners = set().union(*(listed[kind_stem(name)] for name in names))
        if new and len(owners) == 1:
            aliases[owners.pop()] = KindSettings(aliases=new)
    if kinds != ALL:
        aliases |= {name: each for name, each in proposed.kinds.items() if not known.named(name)}
    return SettingsDraft(aliases, proposed.remarks, notes)


def _is_known(known: KnownKinds, name: str) -> bool:
    return known.named(name) is not None or bool("/" in name and known.tagged((name,)))
