"""Properties: what every syntax of metadata gives, a key with its values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nightschool.notes.kinds import kind_name
from nightschool.notes.trouble import Trouble

TAG_KEYS = ("tags", "tag", "filetags", "keywords")
ORIGIN_KEYS = ("url", "source")
# Keys that note programs and site generators write. A block of prose between two rules has none of them.
COMMON_KEYS = frozenset(
    (
        *TAG_KEYS, *ORIGIN_KEYS, "alias", "aliases", "archived", "area", "author", "authors", "categories",
        "category", "class", "completed", "created", "created time", "cssclass", "cssclasses", "date",
        "date created", "date modified", "deleted", "desc", "description", "draft", "due", "excerpt",
        "favorited",
        "id", "kind", "lang", "language", "last edited time", "lastmod", "latitude", "layout", "links",
        "longitude", "modified", "parent", "permalink", "pinned", "priority", "project", "public", "publish",
        "published", "rating", "related", "slug", "stage", "status", "subtitle", "summary", "template", "title",
        "topic", "topics", "traitids", "type", "uid", "up", "updated", "uuid", "version",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Property:
    """A key and its values, in the owner's words; `line` is its line in the file, from 1."""

    key: str
    """NFC, on one line, without regard to case: casefolded."""
    values: tuple[str, ...]
    line: int
    nested: bool = False
    """Whether the value is or holds a mapping, which names nothing."""


@dataclass(slots=True)
class Found:
    """What a syntax found at the beginning or end of a text: properties, and the text that remains."""

    text: str
    properties: list[Property] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)


def property_key(key: object) -> str:
    """A key as `Property.key` holds it."""
    return (kind_name(key) or "").casefold()


# A link; one of several tags with spaces between them; what stands between commas.
_NAMES = re.compile(r"#?\[\[[^\[\]]*\]\]|#[^\s#,、\[\]]+(?=\s+#|\s*$)|[^,、\[\]]+|\[|\]")


def split_names(text: str) -> Iterator[str]:
    """The names in a value of one line: links, tags, or texts separated by commas."""
    for match in _NAMES.finditer(text):
        name = match[0].strip()
        if name and name not in "[]":
            yield name
