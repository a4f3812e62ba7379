"""Removes the lines and words from a text that the owner names in the settings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from nightschool.config.unicode_forms import unicode_form


def without_lines(text: str, patterns: Sequence[str]) -> str:
    """The text without the lines that a pattern matches as a whole; case and Unicode form do not count.

    `*` stands for any characters, all others for themselves. White space around a line does not count.
    Time is proportional to the length of the text for each part of a pattern, whatever the text.
    """
    if not patterns:
        return text
    parts = [_comparable(pattern.strip()).split("*") for pattern in patterns]
    lines = text.split("\n")
    kept = [
        line for line in lines if not any(_matches(_comparable(line.strip()), p) for p in parts)
    ]
    return text if len(kept) == len(lines) else "\n".join(kept)


def without_words(text: str, words: Sequence[str]) -> str:
    """The text without these words, and without lines that consist of them.

    Case and Unicode form do not count.
    """
    if not words:
        return text
    pattern = _pattern(tuple(words))
    lines = []
    for line in text.split("\n"):
        shorter = pattern.sub("", line)
        if shorter.strip() or shorter == line:
            lines.append(shorter)
    return "\n".join(lines)


def _comparable(text: str) -> str:
    return text.casefold() if text.isascii() else unicode_form("NFC", text.casefold())


def _matches(line: str, parts: Sequence[str]) -> bool:
    """Whether a line consists of these parts in order, with anything between them."""
    first, *middle, last = parts if len(parts) > 1 else [*parts, ""]
    if len(parts) == 1:
        return line == first
    if not (line.startswith(first) and line.endswith(last) and len(line) >= len(first + last)):
        return False
    place, end = len(first), len(line) - len(last)
    for part in middle:
        found = line.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


@lru_cache(maxsize=8)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    forms = {unicodedata.normalize(form, word) for word in words for form in ("NFC", "NFD")}
    literals = sorted(map(re.escape, forms), key=lambda literal: (-len(literal), literal))
    return re.compile("|".join(literals), re.IGNORECASE)
