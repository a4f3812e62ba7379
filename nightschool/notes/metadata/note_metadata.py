"""The metadata of a note: whatever the syntax, its properties, and the text without them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from nightschool.notes.metadata.front_matter import take_front_matter
from nightschool.notes.metadata.joplin_export import JoplinItem, joplin_item
from nightschool.notes.metadata.line_properties import take_page_properties
from nightschool.notes.metadata.notion_export import take_notion_properties
from nightschool.notes.metadata.org_mode import take_org_metadata
from nightschool.notes.metadata.properties import Found, Property, property_key
from nightschool.notes.trouble import Trouble, TroubleType

KIND_KEYS = ("kind", "type")
_MAX_BLOCKS = 8
# Blank lines, marks of byte order and comments do not hide a front matter.
_BEFORE = re.compile(
    r"(?:[\ufeff\u200b]*[ \t]*\n|[\ufeff\u200b]+|<!--(?:(?!-->)[\s\S])*-->[ \t]*\n?)+"
)
_CONFLICT = re.compile(r"^(?:<{7}|>{7})(?: .*)?$", re.MULTILINE)
_RULE = re.compile(r"^---[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class NoteMetadata:
    """What a note's metadata says, and the text without it."""

    body: str
    properties: tuple[Property, ...] = ()
    """In the order of the file; each key once."""
    troubles: tuple[Trouble, ...] = ()
    joplin: JoplinItem | None = None
    """Set if the file is an item of Joplin's export; not every item is a note."""

    def values(self, key: str) -> tuple[str, ...]:
        """The values of a property; none if there is no such key."""
        return next((each.values for each in self.properties if each.key == key), ())


def read_metadata(text: str, source: str, kind_keys: Iterable[str] = KIND_KEYS) -> NoteMetadata:
    """Separate the metadata from a note; what is broken or ambiguous is a trouble with its line.

    `source` is the note's path: some syntaxes belong to a suffix or to exported names. `kind_keys` are the
    properties that may name a kind.
    """
    item = joplin_item(text)
    if item is not None:
        text = item.text
    kept: dict[str, Property] = {}
    troubles: list[Trouble] = []
    lines = text.count("\n")
    for _ in range(_MAX_BLOCKS):
        line = 1 + lines - text.count("\n")
        found = _take_first(text, source, kind_keys, line)
        if found is None:
            break
        troubles += found.troubles
        for each in found.properties:
            first = kept.setdefault(each.key, each)
            if first is not each:
                troubles.append(
                    Trouble(TroubleType.DUPLICATE_KEY, each.line, f"{each.key}:", first.line)
                )
        if found.text == text:
            break
        text = found.text
    line = 1 + lines - text.count("\n")
    troubles += _suspicious(text, kind_keys, line)
    notion = take_notion_properties(text, source, kind_keys, line)
    if notion is not None:
        text = notion.text
        for each in notion.properties:
            kept.setdefault(each.key, each)
    return NoteMetadata(text, tuple(kept.values()), tuple(troubles), item)


def _take_first(text: str, source: str, kind_keys: Iterable[str], line: int) -> Found | None:
    """The block of metadata that a text begins with, behind blank lines and comments."""
    before = _BEFORE.match(text)
    if before:
        line += before[0].count("\n")
        text = text[before.end() :]
    if source.lower().endswith(".org"):
        return take_org_metadata(text, line)
    return take_front_matter(text, kind_keys, line) or take_page_properties(text, line)


def _suspicious(text: str, kind_keys: Iterable[str], line: int) -> Iterator[Trouble]:
    """Signs of metadata that was not read."""
    marked = "<<<<<<<" in text or ">>>>>>>" in text
    if marked and (conflict := _CONFLICT.search(text)):
        number = line + text.count("\n", 0, conflict.start())
        yield Trouble(TroubleType.CONFLICT, number)
    rules = [match.start() for match in _RULE.finditer(text)] if text.count("---") > 1 else []
    for begin, end in pairwise(rules):
        block = text[begin:end].split("\n")[1:-1]
        keys = {property_key(each.partition(":")[0]) for each in block if ":" in each}
        if block and keys & set(kind_keys) and all(":" in each for each in block if each.strip()):
            number = line + text.count("\n", 0, begin)
            yield Trouble(TroubleType.NOT_AT_TOP, number)
            return
