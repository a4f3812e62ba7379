"""The traces of forgotten notes: their ids, names and texts, and any content without them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nightschool.config import bounded_json
from nightschool.config.checksums import with_checksum
from nightschool.notes.identity import content_id

FORGOTTEN = "[forgotten]"
_MIN_BYTES = 12
"""A shorter line is not looked for within other texts: it could be any word."""


@dataclass(frozen=True)
class Traces:
    """What is erased: content ids, the names of notes that are gone, and texts."""

    ids: frozenset[str]
    names: frozenset[str]
    texts: frozenset[str]
    kinds: frozenset[str] = field(default=frozenset())
    """Names of kinds, which are never erased."""

    def without(self, value: Any) -> Any:
        """A JSON value without the traces: entries of the ids are dropped, texts are replaced."""
        if isinstance(value, dict):
            if self._is_text_of_note(value):
                value = value | {"text": FORGOTTEN, "source": FORGOTTEN}
            return {key: self.without(v) for key, v in value.items() if key not in self.ids}
        if isinstance(value, list):
            return [self.without(v) for v in value if not self._is_entry(v)]
        return self.without_text(value) if isinstance(value, str) else value

    def without_json(self, text: str) -> str:
        """The text of a JSON file, or of JSON lines, without the traces; unchanged if there are none."""
        try:
            before = bounded_json.loads(text)
        except ValueError:
            lines = [self._line(line) for line in text.split("\n")]
            return "\n".join(line for line in lines if line is not None)
        after = self.without(before)
        if after == before:
            return text
        return _dumped(after, text)

    def without_text(self, text: str) -> str:
        """A text with `FORGOTTEN` in place of names and texts."""
        if text.strip() in self._whole:
            return FORGOTTEN
        return self._pattern.sub(FORGOTTEN, text) if self._pattern else text

    def any_text(self, text: str) -> str:
        """A text of the ledger, which may be JSON."""
        return self.without_json(text) if text.startswith(("{", "[")) else self.without_text(text)

    def needles(self) -> list[bytes]:
        """Byte strings of which none may be left in any file."""
        found: set[bytes] = set()
        for text in (*self.names, *self._lines):
            for form in (text, json.dumps(text)[1:-1]):
                found.add(form.encode("utf-8", "surrogatepass"))
        return sorted(needle for needle in found if len(needle) >= _MIN_BYTES)

    def _line(self, line: str) -> str | None:
        """A line of a JSON-lines file; None if it is about a forgotten note."""
        try:
            value = bounded_json.loads(line)
        except ValueError:
            return self.without_text(line)
        if self._is_entry(value):
            return None
        after = self.without(value)
        return line if after == value else _dumped(after, line)

    def _is_entry(self, value: Any) -> bool:
        if isinstance(value, dict):
            return value.get("id") in self.ids
        return isinstance(value, str) and value in self.ids

    def _is_text_of_note(self, value: dict[str, Any]) -> bool:
        text = value.get("text")
        return isinstance(text, str) and content_id(text) in self.ids

    @cached_property
    def _whole(self) -> frozenset[str]:
        return frozenset(text.strip() for text in (*self.texts, *self.names)) - self.kinds - {""}

    @cached_property
    def _lines(self) -> frozenset[str]:
        lines = (line.strip() for text in self.texts for line in text.splitlines())
        return frozenset(
            line for line in lines if len(line.encode("utf-8", "replace")) >= _MIN_BYTES
        )

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        parts = [
            re.escape(text) for text in _longest_first((*self.texts, *self._lines)) if _long(text)
        ]
        names = {form for name in self.names for form in (name, name.replace("/", "\\"))}
        parts += [rf"(?<![\w.-]){re.escape(name)}(?![\w-])" for name in _longest_first(names)]
        return re.compile("|".join(parts)) if parts else None


def _dumped(value: Any, former: str) -> str:
    """A JSON value in the form that it had before: indentation, checksum, line end."""
    checked = former.startswith('{"sha256": ')
    if checked:
        value.pop("sha256")
    text = json.dumps(value, ensure_ascii=False, indent=1 if "\n" in former.strip() else None)
    return (with_checksum(text) if checked else text) + "\n" * former.endswith("\n")


def _long(text: str) -> bool:
    return len(text.strip().encode("utf-8", "replace")) >= _MIN_BYTES


def _longest_first(texts: Iterable[str]) -> list[str]:
    return sorted({text for text in texts if text.strip()}, key=lambda text: (-len(text), text))
