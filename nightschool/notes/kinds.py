"""Names of kinds: how they are normalised, when two are the same, and which tags name them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from nightschool.config.errors import NotesError
from nightschool.notes import markdown
from nightschool.notes.identity import unicode_form
from nightschool.notes.printable import one_line

FEW_NOTES = 20
"""With fewer notes, a kind's scores have intervals too wide to tell one model from another."""


def kind_name(name: object) -> str | None:
    """The name of a kind as it is stored: NFC, on one line; None if it is empty."""
    if name is None:
        return None
    text = json.dumps(name) if isinstance(name, bool) else str(name)
    return unicode_form("NFC", one_line(text)) or None


def same_kind(name: str) -> str:
    """What spellings of one kind have in common: NFKC, case folded."""
    return unicode_form("NFKC", name).casefold()


def _same_tag(tag: str) -> str:
    """As `same_kind`; `-` and `_` stand for spaces, and `kind/lesson` for `lesson`."""
    return re.sub(r"^(?:kind|type)/|[-_]", lambda m: " " if m[0] in "-_" else "", same_kind(tag))


class KnownKinds:
    """The kinds that exist, found by any spelling and by the tags that name them."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._by_name: dict[str, str] = {}
        self._by_tag: dict[str, str] = {}
        for kind in kinds:
            self._by_name.setdefault(same_kind(kind), kind)
            self._by_tag.setdefault(_same_tag(kind), kind)

    def named(self, name: str | None) -> str | None:
        """The kind of that name in any case or width; None if there is none."""
        return None if name is None else self._by_name.get(same_kind(name))

    def tagged(self, tags: Iterable[str]) -> tuple[str, ...]:
        """The kinds that tags name, each once."""
        kinds = (self._by_tag.get(_same_tag(tag)) for tag in tags)
        return tuple(dict.fromkeys(kind for kind in kinds if kind is not None))

    def without_kind_tags(self, text: str) -> str:
        """The text without tags that name a kind: a model would learn to read only those."""
        return markdown.without_tags(text, lambda tag: bool(self.tagged((tag,))))


def check_names(places: Mapping[str, str]) -> None:
    """Raise NotesError if two kinds differ only in case or width. `places` says where each is named."""
    seen: dict[str, str] = {}
    for kind, place in places.items():
        other = seen.setdefault(same_kind(kind), kind)
        if other != kind:
            raise NotesError(
                f'the kinds "{other}" ({places[other]}) and "{kind}" ({place}) differ only in case or width',
                "give them one name",
            )


def each_kind_first(kinds: Sequence[str | None]) -> list[int]:
    """Positions in a list of kinds, reordered so that one of each kind comes before the others."""
    first = {kind: place for place, kind in reversed(list(enumerate(kinds)))}
    return sorted(range(len(kinds)), key=lambda place: first[kinds[place]] != place)
