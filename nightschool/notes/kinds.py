"""Which kind a note has: what names it, in which order, and the tags that count."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nightschool.config.errors import NotesError
from nightschool.notes.decoding import one_line

# Obsidian's: # at a word's start, then letters, digits, _, - and /, not digits alone. Code is passed over.
_MARKS = re.compile(
    r"^[ \t]*(?P<fence>`{3,}(?=[^`\n]*$)|~{3,}).*?(?:^[ \t]*(?P=fence)|\Z)"
    r"|(?<!`)`++[^`\n]++`++"
    r"|(?<!\S)#(?P<tag>[\w/-]*[^\W\d][\w/-]*)",
    re.MULTILINE | re.DOTALL,
)
_MAY_BE_MARK = re.compile(r"#[\w/-]")  # begins with a letter that is quickly found
_TOLD = 5


FEW_NOTES = 20
"""With fewer notes, a kind's scores have intervals too wide to tell one model from another."""


@dataclass(frozen=True, slots=True)
class Claims:
    """All that names a note's kind, or may; `marks` are the tags in its text."""

    kind: str | None = None
    type: str | None = None
    folder: str | None = None
    tags: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


def kind_name(name: object) -> str | None:
    """A kind as it is kept: NFC, and see `one_line`; None where it is empty."""
    if name is None:
        return None
    text = json.dumps(name) if isinstance(name, bool) else str(name)
    return unicodedata.normalize("NFC", one_line(text)) or None


def same_kind(name: str) -> str:
    """What two spellings of one kind have in common: NFKC, case folded."""
    return unicodedata.normalize("NFKC", name).casefold()


def _same_tag(tag: str) -> str:
    """A tag has no spaces, so `-` and `_` stand for them; `kind/lesson` is `lesson`."""
    return re.sub(r"^(?:kind|type)/|[-_]", lambda m: " " if m[0] in "-_" else "", same_kind(tag))


def marks(text: str) -> tuple[str, ...]:
    """The tags in a Markdown text, as `#lesson`, outside of code; each once, without the `#`."""
    if not _MAY_BE_MARK.search(text):
        return ()
    return tuple(dict.fromkeys(m["tag"] for m in _MARKS.finditer(text) if m["tag"]))


class Known:
    """The kinds there are, found by any spelling of them and by the tags that name them."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._spelling: dict[str, str] = {}
        self._tagged: dict[str, str] = {}
        for kind in kinds:
            self._spelling.setdefault(same_kind(kind), kind)
            self._tagged.setdefault(_same_tag(kind), kind)

    def kind(self, name: str | None) -> str | None:
        """The kind of that name, in any case or width; None where there is none."""
        return None if name is None else self._spelling.get(same_kind(name))

    def tagged(self, tags: Iterable[str]) -> tuple[str, ...]:
        """The kinds that tags name, each once."""
        found = (self._tagged.get(_same_tag(tag)) for tag in tags)
        return tuple(dict.fromkeys(kind for kind in found if kind is not None))

    def without_marks(self, text: str) -> str:
        """The text without the tags that name a kind: a model would learn to read those alone."""

        def kept(match: re.Match[str]) -> str:
            return "" if match["tag"] and self.tagged((match["tag"],)) else match[0]

        while (left := _MARKS.sub(kept, text)) != text:
            text = left  # what stood behind a tag may be one now
        return text


def settle(claims: Claims, known: Known, order: Sequence[str]) -> tuple[str | None, str]:
    """A note's kind, by the first in `order` that names one; and what is wrong about its tags, or "".

    `kind:` and folders name any kind; `type:` and tags only one that is known. Tags in the text go
    before those of the front matter, which in a file split by headings stands for all its notes.
    """
    for source in order:
        if source == "kind" and claims.kind is not None:
            return claims.kind, ""
        if source == "folder" and claims.folder is not None:
            return claims.folder, ""
        if source == "type" and (kind := known.kind(claims.type)) is not None:
            return kind, ""
        if source == "tags":
            named = known.tagged(claims.marks) or known.tagged(claims.tags)
            if len(named) > 1:
                return None, f"its tags name {len(named)} kinds ({', '.join(named)}): leave one"
            if named:
                return named[0], ""
    return None, ""


def check_names(places: Mapping[str, str]) -> None:
    """Raises NotesError where two kinds differ in case or width alone; each is given with its place."""
    seen: dict[str, str] = {}
    for kind, place in places.items():
        other = seen.setdefault(same_kind(kind), kind)
        if other != kind:
            raise NotesError(
                f'the kinds "{other}" ({places[other]}) and "{kind}" ({place}) differ in case or width '
                "alone: give them one name"
            )


def each_kind_first(kinds: Sequence[str | None]) -> list[int]:
    """The places in a list of kinds, that where a kind stands first before all others."""
    first = {kind: place for place, kind in reversed(list(enumerate(kinds)))}
    return sorted(range(len(kinds)), key=lambda place: first[kinds[place]] != place)


def unnamed(all_claims: Iterable[Claims], known: Known) -> str:
    """What to do where no note has a kind, but tags or types stand there that could be kinds."""
    counts: Counter[str] = Counter()
    for claims in all_claims:
        tags = {tag for tag in (*claims.tags, *claims.marks) if not known.tagged((tag,))}
        counts.update(f"#{tag}" for tag in tags)
        counts.update([f"type: {claims.type}"] if claims.type else [])
    if not counts:
        return ""
    most = ", ".join(f"{name} ({n})" for name, n in counts.most_common(_TOLD))
    return f"no note has a kind, but there are {most}: name those that are kinds under [kinds]"


def known_kinds(
    listed: Iterable[str], labels: Iterable[str], all_claims: Iterable[Claims], order: Sequence[str]
) -> Known:
    """The kinds of the settings' [kinds], of tables, of `kind:` and of folders."""
    named: dict[str, None] = dict.fromkeys([*listed, *labels])
    for claims in all_claims:
        for source, name in (("kind", claims.kind), ("folder", claims.folder)):
            if source in order and name is not None:
                named.setdefault(name)
    return Known(named)


def as_tags(value: object) -> tuple[str, ...]:
    """The names in a front matter's `tags:`: a list, or a text with commas or spaces between them."""
    if isinstance(value, str):
        value = re.split(r"[,\s]+", value)
    if not isinstance(value, list):
        return ()
    tags = (
        one_line(str(tag)).removeprefix("#") for tag in value if not isinstance(tag, list | Mapping)
    )
    return tuple(dict.fromkeys(tag for tag in tags if tag))
