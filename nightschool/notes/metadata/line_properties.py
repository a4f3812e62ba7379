"""Properties in the text: Logseq's `key:: value` and Dataview's inline fields, `[key:: value]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from nightschool.notes.kinds import kind_name
from nightschool.notes.markdown import without_code
from nightschool.notes.metadata.properties import Found, Property, property_key, split_names
from nightschool.notes.text_removal import without_spans

_KEY = r"(?P<key>[^\W\d_][\w /?-]{0,39})"
# A line of its own, also as the item of a list or within a quote.
_LINE = re.compile(
    rf"^(?P<mark>[ \t]*(?:[-*+>][ \t]+)*)[*_]*{_KEY}[*_]*::(?:[ \t]+(?P<value>[^\n]*))?$\n?",
    re.MULTILINE,
)
_BRACKETED = re.compile(
    rf"(?P<open>[\[(]){_KEY}::[ \t]*(?P<value>(?:\[\[[^\[\]\n]*\]\]|[^\[\]()\n])*)[\])]"
)
_MARK = "::"


class InlineField(NamedTuple):
    """A property in the text, and where it stands, in characters."""

    key: str
    values: tuple[str, ...]
    begin: int
    end: int


def inline_fields(text: str) -> tuple[InlineField, ...]:
    """The inline fields of a text outside code, in order."""
    if _MARK not in text:
        return ()
    outside_code = without_code(text)
    found = [_field(match) for match in _LINE.finditer(outside_code)]
    lines = [(each.begin, each.end) for each in found]
    for match in _BRACKETED.finditer(outside_code):
        if not any(begin <= match.start() < end for begin, end in lines):
            found.append(_field(match))
    return tuple(sorted(found, key=lambda each: each.begin))


def _field(match: re.Match[str]) -> InlineField:
    value = (match["value"] or "").strip()
    return InlineField(
        property_key(match["key"]), tuple(split_names(value)), match.start(), match.end()
    )


def names_in(values: Iterable[str]) -> tuple[str, ...]:
    """The names that a field's values hold, without the syntax of links and tags."""
    return tuple(filter(None, map(kind_name, values)))


def without_fields(text: str, unwanted: Callable[[InlineField], bool]) -> str:
    """The text without the inline fields for which `unwanted` is true."""
    return without_spans(
        text, ((each.begin, each.end) for each in inline_fields(text) if unwanted(each))
    )


def take_page_properties(text: str, first_line: int = 1) -> Found | None:
    """Logseq's page properties: the lines `key:: value` that a text begins with; None if there are none."""
    place, line = 0, first_line
    properties: list[Property] = []
    for match in _page_lines(text):
        value = (match["value"] or "").strip()
        properties.append(Property(property_key(match["key"]), tuple(split_names(value)), line))
        place, line = match.end(), line + 1
    return Found(text[place:], properties) if properties else None


def _page_lines(text: str) -> Iterator[re.Match[str]]:
    place = 0
    while (match := _LINE.match(text, place)) and match.end() > place:
        # Within a list, only the first item can hold properties of the page.
        if place and match["mark"].strip():
            return
        yield match
        place = match.end()
