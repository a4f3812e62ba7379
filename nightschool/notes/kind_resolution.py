"""Which kind each note has, once all kinds are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nightschool.notes.kinds import KnownKinds, check_names
from nightschool.notes.note import LoadedNotes, Note, Skipped, SkipReason

KindSource = Literal["kind", "type", "folder", "tags"]
_MAX_NAMES_LISTED = 5


@dataclass(frozen=True, slots=True)
class KindCandidates:
    """Everything that may name a note's kind."""

    kind: str | None = None
    type: str | None = None
    folder: str | None = None
    tags: tuple[str, ...] = ()
    """In the front matter."""
    text_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """A note's kind, and what is wrong with its tags ("" if nothing is)."""

    kind: str | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A note that has been read, and the candidates for its kind unless it already has one."""

    note: Note
    candidates: KindCandidates = KindCandidates()


def resolve_all(
    notes: Sequence[Unresolved], configured: Sequence[str], order: Sequence[KindSource]
) -> LoadedNotes:
    """Give every note its kind, and remove the tags that name a kind from the texts.

    `configured` are the kinds in the settings. Raises NotesError if two kinds differ only in case or width.
    """
    known = _known_kinds(notes, configured, order)
    resolved: list[Note] = []
    skipped: list[Skipped] = []
    warnings: list[str] = []
    for unresolved in notes:
        note = unresolved.note
        if note.kind is None:
            found = resolve(unresolved.candidates, known, order)
            if found.problem:
                warnings.append(f"{note.source}: {found.problem}")
            text = note.text
            if "tags" in order and known.tagged(unresolved.candidates.text_tags):
                text = known.without_kind_tags(text)
            if not text.strip():
                skipped.append(Skipped(note.source, SkipReason.EMPTY))
                continue
            if found.kind is not None or text is not note.text:
                note = replace(note, text=text, kind=found.kind)
        resolved.append(note)
    places = dict.fromkeys(configured, "under [kinds] in nightschool.toml")
    for note in resolved:
        if note.kind is not None:
            places.setdefault(note.kind, note.source)
    check_names(places)
    if resolved and all(note.kind is None for note in resolved):
        warnings += _possible_kinds((each.candidates for each in notes), known)
    return LoadedNotes(tuple(resolved), tuple(skipped), tuple(warnings))


def resolve(candidates: KindCandidates, known: KnownKinds, order: Sequence[KindSource]) -> Resolved:
    """The kind by the first source in `order` that names one.

    `kind:` and folders may name any kind; `type:` and tags only a known one. Tags in the text precede
    those of the front matter, which in a file split at its headings applies to all its notes.
    """
    for source in order:
        if source == "kind" and candidates.kind is not None:
            return Resolved(candidates.kind)
        if source == "folder" and candidates.folder is not None:
            return Resolved(candidates.folder)
        if source == "type" and (kind := known.named(candidates.type)) is not None:
            return Resolved(kind)
        if source == "tags":
            kinds = known.tagged(candidates.text_tags) or known.tagged(candidates.tags)
            if len(kinds) > 1:
                names = ", ".join(kinds)
                return Resolved(None, f"its tags name {len(kinds)} kinds ({names}): keep one")
            if kinds:
                return Resolved(kinds[0])
    return Resolved(None)


def _known_kinds(
    notes: Sequence[Unresolved], configured: Iterable[str], order: Sequence[KindSource]
) -> KnownKinds:
    """The kinds in the settings, in label columns, in `kind:` and in folder names."""
    labels = (each.note.kind for each in notes if each.note.kind is not None)
    names: dict[str, None] = dict.fromkeys([*configured, *labels])
    for each in notes:
        named = {"kind": each.candidates.kind, "folder": each.candidates.folder}
        for source, name in named.items():
            if source in order and name is not None:
                names.setdefault(name)
    return KnownKinds(names)


def _possible_kinds(all_candidates: Iterable[KindCandidates], known: KnownKinds) -> list[str]:
    """A warning that lists the most frequent tags and types, if no note has a kind."""
    counts: Counter[str] = Counter()
    for candidates in all_candidates:
        tags = {*candidates.tags, *candidates.text_tags}
        counts.update(f"#{tag}" for tag in tags if not known.tagged((tag,)))
        counts.update([f"type: {candidates.type}"] if candidates.type else [])
    if not counts:
        return []
    frequent = ", ".join(f"{name} ({n})" for name, n in counts.most_common(_MAX_NAMES_LISTED))
    return [
        f"no note has a kind, but there are {frequent}: name those that are kinds under [kinds]"
    ]
