"""Removes parts of a text, such as the lines and words that the owner names in the settings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from nightschool.config.unicode_forms import unicode_form

# A letter or digit of a script with spaces between words.
_LETTER = re.compile(r"[^\W_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\U0003ffff]")
_WIDEST = 200  # characters


def without_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text without these parts, which are in order; overlapping ones after the first are kept.

    Of the spaces on both sides of a part, only those before it stay, and none at the end of a line, so that
    nothing shows where it stood.
    """
    parts: list[str] = []
    place = 0
    for begin, end in spans:
        if begin < place:
            continue
        before = text[place:begin]
        if text[begin - 1 : begin] in ("", "\n", " ", "\t"):
            while text[end : end + 1] in (" ", "\t"):
                end += 1
        if text[end : end + 1] in ("", "\n", "\r"):
            before = before.rstrip(" \t")
            while not before and parts:  # the part before this one was removed, too
                before = parts.pop().rstrip(" \t")
        parts.append(before)
        place = end
    return "".join([*parts, text[place:]]) if parts else text


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
    """The text without these words or marks, and without lines that consist of them.

    Case and Unicode form do not count. "lesson" does not match within "lessons". `*` between others stands for
    any characters, at most 200, of a line; at an end it stands for itself, as in "**lesson**".
    """
    if not words:
        return text
    pattern = _pattern(tuple(words))
    lines = []
    for line in text.split("\n"):
        shorter = without_spans(line, (match.span() for match in pattern.finditer(line)))
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
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join(map(_expression, longest_first)), re.IGNORECASE)


def _expression(text: str) -> str:
    """An expression for a text; a letter at its ends begins or ends a word in scripts that have spaces.

    What follows a `*` is an atomic group, so that nothing is tried twice.
    """
    core = text.strip("*")
    first, *rest = map(re.escape, core.split("*"))
    before = r"(?<![^\W_])" if _LETTER.match(core) else ""
    after = r"(?![^\W_])" if _LETTER.match(core[-1]) else ""
    around = [r"\*{0,3}" if star else "" for star in (text[0] == "*", text[-1] == "*")]
    between = "".join(rf"(?>[^\n]{{0,{_WIDEST}}}?{part})" for part in rest)
    return f"{around[0]}{before}{first}{between}{after}{around[1]}"
