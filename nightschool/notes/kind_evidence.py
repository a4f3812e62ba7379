"""What in a vault may name kinds, before the owner has said so: names by source, with their notes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from nightschool.config.kind_settings import same_kind
from nightschool.config.notes_settings import FOLDER, TAGS
from nightschool.notes.folder_names import holds_all, is_no_kind, is_number_or_date
from nightschool.notes.kind_resolution import KindCandidates, Unresolved
from nightschool.notes.kind_stems import KIND_WORDS, is_usual, kind_stem
from nightschool.notes.metadata.properties import TAG_KEYS

COLUMN = "label column"
KIND_TAGS = "tags below a word for kinds"
"""`#kind/lesson`, `#種類/教訓`."""

# Properties with few values that say other things than a kind.
_OTHER_KEYS = frozenset(
    (
        "alias", "aliases", "archived", "area", "author", "authors", "created", "cssclass",
        "cssclasses", "date", "deleted", "draft", "due", "favorited", "icon", "id", "lang",
        "language", "layout", "modified", "parent", "pinned", "priority", "project", "public",
        "publish", "published", "rating", "source", "stage", "state", "status", "template", "title",
        "topic", "topics", "up", "updated", "url", "version", "visibility",
    )
)  # fmt: skip
# How a note stands among others, how far it is, or what is to be done with it: not what it says.
_STRUCTURE = frozenset(
    (
        "budding", "dashboard", "done", "evergreen", "favorite", "fleeting", "home page", "hub", "important",
        "index", "literature", "map of content", "moc", "page", "permanent", "publish", "review", "seedling",
        "stub", "task", "template", "to read", "todo", "toread", "wip", "zettel",
    )
)  # fmt: skip
_MAX_LENGTH = 40
_NEARLY_ALL = 0.9


@dataclass(frozen=True, slots=True)
class NameFound:
    """A name, as it is written, and the numbers of the notes that have it."""

    name: str
    stem: str
    notes: set[int]


@dataclass(slots=True)
class KindEvidence:
    """The names that may be kinds, by source: COLUMN, KIND_TAGS, "folder", "tags", or the key of a property."""

    notes: int
    names: dict[str, dict[str, NameFound]] = field(default_factory=lambda: defaultdict(dict))
    top_folders: Counter[str] = field(default_factory=Counter)
    """All top folders, also those that are no kinds."""
    repeated: frozenset[str] = frozenset()
    """The stems of folders that several top folders have below them, such as Work/Logs and Home/Logs."""
    _stems: dict[str, str] = field(default_factory=dict)

    def add(self, source: str, name: str, note: int, stem: str = "") -> None:
        """A note has a name from a source. One name has one stem: that with which it came first."""
        if name not in self.names[source]:
            stem = self._stems.setdefault(same_kind(name), stem or kind_stem(name))
            self.names[source][name] = NameFound(name, stem, set())
        self.names[source][name].notes.add(note)

    def join(self, stem: str, other: str) -> None:
        """Take all names with a stem for names with another one."""
        for names in self.names.values():
            for each in list(names.values()):
                if each.stem == stem:
                    names[each.name] = replace(each, stem=other)

    def stems(self, source: str) -> dict[str, set[int]]:
        """The notes of a source's names, by what the names have in common."""
        found: dict[str, set[int]] = {}
        for each in self.names.get(source, {}).values():
            found.setdefault(each.stem, set()).update(each.notes)
        return found

    def property_keys(self) -> tuple[str, ...]:
        """The properties that may name kinds, the surest first."""
        keys = [key for key in KIND_WORDS if key in self.names]
        return *keys, *sorted(set(self.names) - {*keys, FOLDER, TAGS, KIND_TAGS, COLUMN})


def evidence_of(notes: Sequence[Unresolved]) -> KindEvidence:
    """Collect what may name kinds, from notes that were read without a list of kinds."""
    folders = [each.candidates.folders for each in notes]
    shared = _shared_folders(folders)
    folders = [each[shared:] for each in folders]
    evidence = KindEvidence(len(notes), repeated=_repeated_below(folders))
    for number, unresolved in enumerate(notes):
        if unresolved.note.kind is not None:
            evidence.add(COLUMN, unresolved.note.kind, number)
        evidence.top_folders.update(folders[number][:1])
        for name in _eligible(folders[number], evidence.repeated):
            evidence.add(FOLDER, name, number)
        _add_properties(evidence, unresolved.candidates, number)
        _add_tags(evidence, unresolved.candidates, number)
    return evidence


def _add_properties(evidence: KindEvidence, candidates: KindCandidates, number: int) -> None:
    for key in {each.key for each in candidates.properties}.difference(_OTHER_KEYS, TAG_KEYS):
        for name in candidates.names(key):
            if _may_be_kind(name):
                evidence.add(key, name, number)


def _add_tags(evidence: KindEvidence, candidates: KindCandidates, number: int) -> None:
    for tag in {*candidates.tags, *(tag.name for tag in candidates.text_tags)}:
        top, _, rest = tag.partition("/")
        below = rest.partition("/")[0]
        if below and kind_stem(top) in KIND_WORDS and _may_be_kind(below):
            evidence.add(KIND_TAGS, below, number)
        elif (
            rest
            and not is_usual(kind_stem(top))
            and is_usual(last := kind_stem(tag.split("/")[-1]))
        ):
            evidence.add(TAGS, tag, number, last)
        elif _may_be_kind(top):
            evidence.add(TAGS, top, number)


def _eligible(folders: Sequence[str], repeated: frozenset[str]) -> Iterator[str]:
    """The folders above a note that may be its kind.

    The first that is not for notes of all kinds, and any below whose name is usual for kinds or `repeated`.
    """
    may_be_first = True
    for name in folders:
        stem = kind_stem(name)
        if is_usual(stem):
            yield name
            return
        if (may_be_first or stem in repeated) and _may_be_kind(name):
            yield name
        may_be_first = may_be_first and holds_all(name)


def _shared_folders(folders: Sequence[Sequence[str]]) -> int:
    """How many folders nearly all notes share from the top down, such as that of an export."""
    depth = 0
    while True:
        counts = Counter(tuple(each[: depth + 1]) for each in folders if len(each) > depth)
        path, n = counts.most_common(1)[0] if counts else ((), 0)
        below = [
            kind_stem(each[depth + 1])
            for each in folders
            if len(each) > depth + 1 and tuple(each[: depth + 1]) == path
        ]
        if n < _NEARLY_ALL * len(folders) or 2 * len(below) < n or not n:
            return depth
        if is_usual(kind_stem(path[-1])) and len({stem for stem in below if is_usual(stem)}) < 2:
            return depth  # by far the most frequent kind, with its topics
        depth += 1


def _repeated_below(folders: Iterable[Sequence[str]]) -> frozenset[str]:
    tops: dict[str, set[str]] = defaultdict(set)
    for each in folders:
        for name in each[1:]:
            tops[kind_stem(name)].add(each[0])
    return frozenset(stem for stem, above in tops.items() if len(above) > 1)


def _may_be_kind(name: str) -> bool:
    return (
        len(name) <= _MAX_LENGTH
        and not is_number_or_date(name)
        and not is_no_kind(name)
        and kind_stem(name) not in _STRUCTURE
    )
