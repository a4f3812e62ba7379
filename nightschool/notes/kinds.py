"""Names of kinds: how they are normalised, when two are the same, and what names them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from nightschool.config.errors import NotesError
from nightschool.config.kind_settings import INVISIBLE, KindSettings, same_kind
from nightschool.config.printable import one_line
from nightschool.config.unicode_forms import unicode_form
from nightschool.notes.kind_stems import KIND_WORDS
from nightschool.notes.tags import Tag

FEW_NOTES = 20
"""With fewer notes, a kind's scores have intervals too wide to tell one model from another."""

LONGEST_KIND = 200
"""Characters of a name; what is longer is text in the wrong place."""

_INVISIBLE = re.compile(f"[{INVISIBLE}]")
# [[folder/page#heading|text]] and [text](address)
_LINK = re.compile(
    r"\[\[(?:[^\[\]|]*/)?(?P<page>[^\[\]|#/]+)[^\[\]]*\]\]|\[(?P<text>[^\[\]]+)\]\([^()\s]*\)"
)
_MISSING = ("nan", "<na>", "nat", "n/a", "#n/a", "null", "undefined", "\\n", "(blank)", "-")
_WHOLE_NUMBER = re.compile(r"(-?\d+)\.0+")


def kind_name(name: object) -> str | None:
    """The name of a kind as it is stored; None if it is empty, too long or not a number.

    NFC, on one line, without invisible characters; `[[lesson]]` and `#lesson` are lesson, 1.0 is 1.
    """
    if name is None or (isinstance(name, float) and math.isnan(name)):
        return None
    text = json.dumps(name) if isinstance(name, bool) else str(name)
    if len(text) > 4 * LONGEST_KIND:  # with invisible characters, or as a link
        return None
    return _kind_name(text)


@lru_cache(maxsize=4096)
def _kind_name(text: str) -> str | None:
    text = one_line(unicode_form("NFC", _INVISIBLE.sub("", text))).strip("\u200c\u200d ")
    if link := _LINK.fullmatch(text.removeprefix("#")):
        text = (link["page"] or link["text"]).strip()
    if len(text) > 1 and text[0] == "#" and text[1] not in "# ":
        text = text[1:]
    if number := _WHOLE_NUMBER.fullmatch(text):
        text = number[1]
    return None if text.casefold() in _MISSING or len(text) > LONGEST_KIND else text or None


def _same_tag(tag: str) -> str:
    """As `same_kind`; `-` and `_` stand for spaces, and `kind/lesson` for `lesson`."""
    top, slash, rest = re.sub("[-_]", " ", same_kind(tag)).partition("/")
    return rest if slash and top in KIND_WORDS else f"{top}{slash}{rest}"


class KnownKinds:
    """The kinds that exist, found by any spelling, by their aliases, and by the tags that name them."""

    def __init__(
        self, kinds: Iterable[str], aliases: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """`aliases` are further names of each kind."""
        self._by_name: dict[str, str] = {}
        self._by_tag: dict[str, str] = {}
        for kind in kinds:
            for name in (kind, *(aliases or {}).get(kind, ())):
                self._by_name.setdefault(same_kind(name), kind)
                self._by_tag.setdefault(_same_tag(name), kind)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds, each once."""
        return tuple(dict.fromkeys(self._by_name.values()))

    def named(self, name: str | None) -> str | None:
        """The kind of that name in any case or width; None if there is none."""
        return None if name is None else self._by_name.get(same_kind(name))

    def all_named(self, names: Iterable[str]) -> tuple[str, ...]:
        """The kinds that names name, each once."""
        kinds = (self.named(name) for name in names)
        return tuple(dict.fromkeys(kind for kind in kinds if kind is not None))

    def tagged(self, tags: Iterable[str]) -> tuple[str, ...]:
        """The kinds that tags name, each once; `lesson/deploy` names lesson if it is no kind itself."""
        kinds = (self._by_one_tag(tag) for tag in tags)
        return tuple(dict.fromkeys(kind for kind in kinds if kind is not None))

    def tagged_in(self, tags: Iterable[Tag]) -> tuple[str, ...]:
        """The kinds that tags in a text name, each once."""
        kinds = (
            self._by_one_tag(tag.name) or (self._by_one_tag(tag.first[0]) if tag.first else None)
            for tag in tags
        )
        return tuple(dict.fromkeys(kind for kind in kinds if kind is not None))

    def _by_one_tag(self, tag: str) -> str | None:
        name = _same_tag(tag)
        while name:
            if kind := self._by_tag.get(name):
                return kind
            name = name.rpartition("/")[0]
        return None


def known_kinds(configured: Mapping[str, KindSettings]) -> KnownKinds:
    """The kinds in the settings, with their aliases."""
    return KnownKinds(configured, {kind: each.aliases for kind, each in configured.items()})


def check_names(places: Mapping[str, str]) -> None:
    """Raise NotesError if two kinds differ only in case or width. `places` says where each is named."""
    seen: dict[str, str] = {}
    for kind, place in places.items():
        other = seen.setdefault(same_kind(kind), kind)
        if other != kind:
            raise NotesError(
                f'the kinds "{other}" ({places[other]}) and "{kind}" ({place}) differ only in case or width',
                "give them one name, or list the kind under [kinds] with the spelling to use",
            )


def each_kind_first(kinds: Sequence[str | None]) -> list[int]:
    """Positions in a list of kinds, reordered so that one of each kind comes before the others."""
    first = {kind: place for place, kind in reversed(list(enumerate(kinds)))}
    return sorted(range(len(kinds)), key=lambda place: first[kinds[place]] != place)
