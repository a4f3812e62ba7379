"""Style features of a note, independent of its content: length, structure, tidiness."""

from __future__ import annotations

import re
from enum import StrEnum


class StyleFeature(StrEnum):
    """The features, in the order of `style_features`."""

    LENGTH = "length in characters"
    LINE_LENGTH = "length of a line"
    HEADINGS = "lines that are headings"
    LIST_ITEMS = "lines that are list items"
    BLANK_LINES = "lines that are blank"
    SENTENCE_ENDS = "lines that end a sentence"
    SMALL_STARTS = "lines that begin with a small letter"
    MARKS = "Markdown marks (in 100 characters)"
    DIGITS = "digits (in 100 characters)"
    CAPITALS = "capitals (in 100 characters)"


FEATURES = tuple(StyleFeature)
SHARES = frozenset({
    StyleFeature.HEADINGS, StyleFeature.LIST_ITEMS, StyleFeature.BLANK_LINES,
    StyleFeature.SENTENCE_ENDS, StyleFeature.SMALL_STARTS,
})  # fmt: skip
"""Features that are shares of a note's lines: blank lines of all lines, the others of the lines with text."""

_HEADING = re.compile(r"[ ]{0,3}#{1,6}(?:\s|$)")
_LIST_ITEM = re.compile(r"\s*(?:[-*+・•]|\d{1,3}[.)])\s")
_SENTENCE_END = re.compile(r"""[.!?。！？…][)\]"'*_`」』）]*\s*$""")
_MARKS = re.compile(r"\*\*|__|``|`|\]\(|\[\[|==|~~|^>|\|", re.MULTILINE)
_DIGIT = re.compile(r"\d")


def style_features(text: str) -> tuple[float, ...]:
    """One number for each of `FEATURES`."""
    text = text.strip()
    lines = text.split("\n")
    filled = [line for line in lines if line.strip()]
    size, count = max(1, len(text)), max(1, len(filled))

    def share(pattern: re.Pattern[str]) -> float:
        return sum(pattern.match(line) is not None for line in filled) / count

    return (
        size,
        sum(map(len, filled)) / count,
        share(_HEADING),
        share(_LIST_ITEM),
        (len(lines) - len(filled)) / len(lines),
        sum(_SENTENCE_END.search(line) is not None for line in filled) / count,
        sum(_begins_with_small_letter(line) for line in filled) / count,
        100 * len(_MARKS.findall(text)) / size,
        100 * len(_DIGIT.findall(text)) / size,
        100 * sum(map(str.isupper, text)) / size,
    )


def _begins_with_small_letter(line: str) -> bool:
    first = next((letter for letter in line[:40] if letter.isalpha()), "")
    return first.islower()
