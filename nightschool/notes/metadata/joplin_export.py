"""Joplin's RAW export: each item a file, with its properties as `key: value` at the end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_FOOTER = re.compile(
    r"(?:\A|\n\n)(?P<lines>id: [0-9a-f]{32}\n(?:[a-z_]+: ?[^\n]*\n)*type_: (?P<type>\d+))\s*\Z"
)
# Types of items (Joplin, "External data API", property type_).
_NOTE = "1"


@dataclass(frozen=True, slots=True)
class JoplinItem:
    """An item of the export; `text` is what stands before its properties."""

    text: str
    properties: Mapping[str, str]

    @property
    def is_note(self) -> bool:
        return self.properties["type_"] == _NOTE


def joplin_item(text: str) -> JoplinItem | None:
    """The item in a file; None if it is not one of Joplin's."""
    match = _FOOTER.search(text[-8192:]) if "type_: " in text[-64:] else None
    if match is None:
        return None
    pairs = (line.partition(":")[::2] for line in match["lines"].split("\n"))
    before = text[: len(text) - len(match[0])]
    return JoplinItem(before, {key: value.strip() for key, value in pairs})


@dataclass(slots=True)
class JoplinExport:
    """The notebooks and tags of an export, by what the items say of each other."""

    notebooks: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Title and parent by id."""
    tags: dict[str, str] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)
    """(note, tag)."""

    def add(self, item: JoplinItem) -> None:
        """Keep a notebook, a tag or a link; other items say nothing about kinds."""
        its = item.properties
        title = item.text.strip().partition("\n")[0]
        match its["type_"]:
            case "2":  # a notebook
                self.notebooks[its["id"]] = (title, its.get("parent_id", ""))
            case "5":  # a tag
                self.tags[its["id"]] = title
            case "6":  # a link between a note and a tag
                self.links.append((its.get("note_id", ""), its.get("tag_id", "")))

    def notebooks_of(self, parent: str) -> tuple[str, ...]:
        """The titles of the notebooks above an item, the topmost first."""
        titles: list[str] = []
        seen: set[str] = set()
        while parent in self.notebooks and parent not in seen:
            seen.add(parent)
            title, parent = self.notebooks[parent]
            titles.insert(0, title)
        return tuple(titles)

    def tags_of(self) -> dict[str, tuple[str, ...]]:
        """The names of the tags by the id of their note."""
        names: dict[str, dict[str, None]] = {}
        for note, tag in self.links:
            if tag in self.tags:
                names.setdefault(note, {})[self.tags[tag]] = None
        return {note: tuple(tags) for note, tags in names.items()}
