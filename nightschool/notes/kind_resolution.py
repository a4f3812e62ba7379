"""Which kind a note has, by its properties, folders and tags, in the order of `notes.kind_from`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from nightschool.config.kind_settings import KindSettings
from nightschool.config.notes_settings import FOLDER, TAGS, NotesSettings
from nightschool.notes.folder_names import is_no_kind
from nightschool.notes.kind_marks import without_kind_marks
from nightschool.notes.kinds import KnownKinds, check_names, kind_name, known_kinds
from nightschool.notes.metadata.notion_export import without_identifier
from nightschool.notes.metadata.properties import Property
from nightschool.notes.note import LoadedNotes, Note, Skipped, SkipReason
from nightschool.notes.tags import Tag
from nightschool.notes.trouble import NoteTrouble, Trouble, TroubleType, trouble_warnings

# Written for many purposes: it names a kind only if the kind exists otherwise.
_KNOWN_ONLY = "type"
_MAX_NAMES_LISTED = 5


@dataclass(frozen=True, slots=True)
class KindCandidates:
    """Everything that may name a note's kind."""

    properties: tuple[Property, ...] = ()
    """Of the front matter or another block of metadata; then inline fields."""
    folders: tuple[str, ...] = ()
    """From the topmost to the one that holds the note."""
    tags: tuple[str, ...] = ()
    """In the metadata."""
    text_tags: tuple[Tag, ...] = ()

    def named(self, key: str) -> list[Property]:
        """The properties with a key."""
        return [each for each in self.properties if each.key == key]

    def names(self, key: str) -> tuple[str, ...]:
        """The names in the properties with a key, as names of kinds."""
        names = (kind_name(value) for each in self.named(key) for value in each.values)
        return tuple(name for name in names if name)


@lru_cache(maxsize=1024)
def names_in_path(folder: str) -> tuple[str, ...]:
    """The names in the path of a folder that may be kinds, the topmost first."""
    names = (kind_name(without_identifier(part)) for part in folder.split("/"))
    return tuple(name for name in names if name)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A note's kind, what named it (an entry of `notes.kind_from`), and what is odd about it."""

    kind: str | None
    kind_from: str = ""
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A note that has been read, and the candidates for its kind unless it already has one."""

    note: Note
    candidates: KindCandidates = KindCandidates()
    prefix: str = ""
    """What its source has before the path below the notes folder."""
    other_marks: bool = True
    """Whether its text may name a kind by more than the tags among the candidates."""

    def may_hold_marks(self, known: KnownKinds) -> bool:
        """Whether its text may name a kind; no is certain."""
        return self.other_marks or bool(known.tagged_in(self.candidates.text_tags))


def resolve_all(
    notes: Sequence[Unresolved],
    configured: Mapping[str, KindSettings],
    settings: NotesSettings,
    troubles: Sequence[NoteTrouble] = (),
) -> LoadedNotes:
    """Give every note its kind, and remove what names a kind from the texts.

    If there are `configured` kinds, no others exist. Otherwise raises NotesError if two kinds differ only in
    case or width. `troubles` are those that reading found.
    """
    order, removes = settings.order, bool(settings.remove_text or settings.remove_lines)
    known = known_kinds(configured) if configured else _kinds_of(notes, order)
    resolved: list[Note] = []
    skipped: list[Skipped] = []
    found_troubles = list(troubles)
    for unresolved in notes:
        note = unresolved.note
        found = (
            _resolve_label(note.kind, known, bool(configured))
            if note.kind is not None
            else resolve(unresolved.candidates, known, order, closed=bool(configured))
        )
        if found.trouble:
            found_troubles.append(NoteTrouble(note.source, found.trouble))
        text = note.text
        if removes or unresolved.may_hold_marks(known):
            text = without_kind_marks(text, known, settings)
        if not text.strip():
            skipped.append(Skipped(note.source, SkipReason.EMPTY))
            continue
        kind_from = (found.kind_from or note.kind_from) if found.kind is not None else ""
        resolved.append(
            Note(text, found.kind, note.source, note.section_of, note.origin, kind_from)
        )
    if not configured:
        places: dict[str, str] = {}
        for note in resolved:
            if note.kind is not None:
                places.setdefault(note.kind, note.source)
        check_names(places)
    warnings = trouble_warnings(found_troubles)
    if resolved and all(note.kind is None for note in resolved):
        warnings += tuple(_possible_kinds((each.candidates for each in notes), known))
    return LoadedNotes(
        tuple(resolved), tuple(skipped), warnings, tuple(found_troubles), known.kinds
    )


def resolve(
    candidates: KindCandidates, known: KnownKinds, order: Sequence[str], *, closed: bool = False
) -> Resolved:
    """The kind by the first source in `order` that names one.

    Unless the list of kinds is `closed`, `kind:` and the topmost folder may name any kind; everything else
    names only known ones. Of several folders, the one nearest to the note counts. Tags in the text precede
    those of the metadata, which in a file split at its headings apply to all its notes.
    """
    trouble = None
    names: tuple[str, ...] = ()
    for source in order:
        if source == FOLDER:
            names = candidates.folders[::-1] if closed else candidates.folders[:1]
            named = known.all_named(names)[:1]
        elif source == TAGS:
            named = known.tagged_in(candidates.text_tags) or known.tagged(candidates.tags)
        else:
            names = candidates.names(source)
            named = known.all_named(names)
            if not named:
                trouble = trouble or _unknown(source, candidates, closed)
        if len(named) > 1:
            return Resolved(None, source, Trouble(TroubleType.TWO_KINDS, 0, ", ".join(named)))
        if named:
            # Without a list of kinds, a name counts as it is written.
            as_written = not closed and source not in (TAGS, _KNOWN_ONLY)
            written = next((name for name in names if known.named(name)), "")
            return Resolved(written if as_written else named[0], source, trouble)
    return Resolved(None, "", trouble)


def _resolve_label(label: str, known: KnownKinds, closed: bool) -> Resolved:
    """The kind that a label column names."""
    if not closed:
        return Resolved(label)
    kind = known.named(label)
    return Resolved(kind, "", None if kind else Trouble(TroubleType.UNKNOWN_KIND, 0, label))


def _unknown(key: str, candidates: KindCandidates, closed: bool) -> Trouble | None:
    """What is odd about a property that names no kind; None if nothing is."""
    found = candidates.named(key)
    names = candidates.names(key)
    if key == _KNOWN_ONLY or not found:
        return None
    if closed and len(names) == 1:
        return Trouble(TroubleType.UNKNOWN_KIND, found[0].line, f"{key}: {names[0]}")
    if len(names) > 1 or any(each.nested for each in found):
        return Trouble(TroubleType.NOT_A_NAME, found[0].line, f"{key}:")
    return None


def _kinds_of(notes: Sequence[Unresolved], order: Sequence[str]) -> KnownKinds:
    """The kinds in label columns, in properties such as `kind:`, and in the names of folders."""
    names: dict[str, None] = dict.fromkeys(
        each.note.kind for each in notes if each.note.kind is not None
    )
    for each in notes:
        for source in order:
            if source == FOLDER:
                top = each.candidates.folders[:1]
                named = tuple(name for name in top if not is_no_kind(name))
            elif source in (TAGS, _KNOWN_ONLY):
                continue
            else:
                named = each.candidates.names(source)
            if len(named) == 1:
                names.setdefault(named[0])
    return KnownKinds(names)


def _possible_kinds(all_candidates: Iterable[KindCandidates], known: KnownKinds) -> list[str]:
    """A warning that lists the most frequent tags and types, if no note has a kind."""
    counts: Counter[str] = Counter()
    for candidates in all_candidates:
        tags = {*candidates.tags, *(tag.name for tag in candidates.text_tags)}
        counts.update(f"#{tag}" for tag in tags if not known.tagged((tag,)))
        counts.update(f"{_KNOWN_ONLY}: {name}" for name in candidates.names(_KNOWN_ONLY))
    if not counts:
        return []
    frequent = ", ".join(f"{name} ({n})" for name, n in counts.most_common(_MAX_NAMES_LISTED))
    return [
        f"no note has a kind, but there are {frequent}: name those that are kinds under [kinds], or let "
        "`nightschool init --update` propose them"
    ]
