"""Org mode: `#+KEY: value` lines and `:PROPERTIES:` drawers at the top of a file, and tags of headlines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from nightschool.notes.metadata.properties import (
    TAG_KEYS,
    Found,
    Property,
    property_key,
    split_names,
)
from nightschool.notes.tags import Tag

_KEYWORD = re.compile(r"[ \t]*#\+(?P<key>[A-Za-z_]+):[ \t]*(?P<value>[^\n]*)(?:\n|\Z)")
_DRAWER = re.compile(
    r"^[ \t]*:PROPERTIES:[ \t]*\n(?P<lines>(?:[ \t]*:[^\s:]+:[^\n]*\n)*)[ \t]*:END:[ \t]*(?:\n|\Z)",
    re.IGNORECASE | re.MULTILINE,
)
_PAIR = re.compile(r"[ \t]*:(?P<key>[^\s:]+):[ \t]*(?P<value>[^\n]*)\n")
_IGNORED = re.compile(r"[ \t]*(?:#(?: [^\n]*)?)?\n")
_HEADLINE = re.compile(r"^\*+ [^\n]*[ \t]:(?P<tags>[\w@#%]+(?::[\w@#%]+)*):[ \t]*$", re.MULTILINE)
_NAME = re.compile(r"[^:]+")


def take_org_metadata(text: str, first_line: int = 1) -> Found | None:
    """The keywords at the top of an org file, and all drawers of properties; None if there are none."""
    place, line = 0, first_line
    properties: list[Property] = []
    while place < len(text):
        if match := _KEYWORD.match(text, place):
            if match["key"].casefold().startswith("begin"):
                break
            properties.append(_property(match["key"], match["value"], line))
        elif not (match := _DRAWER.match(text, place) or _IGNORED.match(text, place)):
            break
        properties += _in_drawer(match, line)
        place, line = match.end(), line + match[0].count("\n")
    rest = text[place:]
    for match in _DRAWER.finditer(rest):
        properties += _in_drawer(match, line + rest.count("\n", 0, match.start()))
    return Found(_DRAWER.sub("", rest), properties) if properties else None


def _in_drawer(match: re.Match[str], line: int) -> Iterator[Property]:
    """The properties of a drawer that begins in a line; none if it is something else."""
    for number, pair in enumerate(_PAIR.finditer(match.groupdict().get("lines") or ""), line + 1):
        yield _property(pair["key"], pair["value"], number)


def _property(key: str, value: str, line: int) -> Property:
    name = property_key(key)
    values = re.split(r"[:\s]+", value) if name in TAG_KEYS else split_names(value)
    return Property(name, tuple(each for each in values if each), line)


def headline_tags(text: str) -> tuple[Tag, ...]:
    """The tags behind headlines: `* Deploys :lesson:ops:`."""
    if not _may_have_headline_tags(text):
        return ()
    return tuple(
        Tag(tag[0], tag.start(), tag.end())
        for match in _HEADLINE.finditer(text)
        for tag in _NAME.finditer(text, match.start("tags"), match.end("tags"))
    )


def without_headline_tags(text: str, unwanted: Callable[[str], bool]) -> str:
    """The text without the tags behind headlines for which `unwanted` is true."""
    if not _may_have_headline_tags(text):
        return text

    def kept(match: re.Match[str]) -> str:
        names = match["tags"].split(":")
        wanted = [name for name in names if not unwanted(name)]
        if len(wanted) == len(names):
            return match[0]
        before = match[0][: match.start("tags") - 1 - match.start()].rstrip()
        return f"{before} :{':'.join(wanted)}:" if wanted else before

    return _HEADLINE.sub(kept, text)


def _may_have_headline_tags(text: str) -> bool:
    return "* " in text and ":" in text
