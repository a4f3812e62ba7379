"""Notion's Markdown export: a title, then the properties of the database as lines of `Key: value`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nightschool.notes.metadata.properties import (
    Found,
    Property,
    property_key,
    split_names,
)

# Exported pages are named "Title 0123456789abcdef0123456789abcdef.md", and so are their folders.
_IDENTIFIER = re.compile(r"[ _-]?[0-9a-f]{32}(?=\.[A-Za-z]+$|$)")
_TITLE = re.compile(r"# [^\n]*\n+")
_LINE = re.compile(r"(?P<key>[^\W\d_][^:\n]{0,40}): (?P<value>[^\n]*)(?:\n|\Z)")


def without_identifier(name: str) -> str:
    """A file's or folder's name without the identifier that Notion appends."""
    return _IDENTIFIER.sub("", name) or name


def take_notion_properties(
    text: str, source: str, wanted: Iterable[str], first_line: int = 1
) -> Found | None:
    """The block of properties under the title of a page; None if there is none.

    Without Notion's identifier in its name, a file has such a block only if a key is in `wanted` and a
    blank line ends it.
    """
    title = _TITLE.match(text)
    if title is None:
        return None
    place = title.end()
    line = first_line + title[0].count("\n")
    properties: list[Property] = []
    while match := _LINE.match(text, place):
        values = tuple(split_names(match["value"]))
        properties.append(Property(property_key(match["key"]), values, line))
        place, line = match.end(), line + 1
    if not properties or (place < len(text) and text[place] != "\n"):
        return None
    if not _IDENTIFIER.search(source) and not {each.key for each in properties} & set(wanted):
        return None
    return Found(text[: title.end()] + text[place:].lstrip("\n"), properties)
