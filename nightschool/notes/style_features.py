"""The form of a note, whatever it speaks of: how long, how divided, how tidy."""

from __future__ import annotations

import re

FEATURES = (
    "length in characters",
    "length of a line",
    "lines that are headings",
    "lines that are list items",
    "lines that are blank",
    "lines that end a sentence",
    "lines that begin with a small letter",
    "Markdown marks (in 100 characters)",
    "digits (in 100 characters)",
    "capitals (in 100 characters)",
)
"""What `form` measures, in its order; "lines that ..." are shares, of the lines with text on them
(blank ones: of all)."""

_HEADING = re.compile(r"[ ]{0,3}#{1,6}(?:\s|$)")
_ITEM = re.compile(r"\s*(?:[-*+・•]|\d{1,3}[.)])\s")
_SENTENCE_END = re.compile(r"""[.!?。！？…][)\]"'*_`」』）]*\s*$""")
_MARKS = re.compile(r"\*\*|__|``|`|\]\(|\[\[|==|~~|^>|\|", re.MULTILINE)
_DIGIT = re.compile(r"\d")


def form(text: str) -> tuple[float, ...]:
    """A note's form: one number for each of FEATURES."""
    text = text.strip()
    lines = text.split("\n")
    full = [line for line in lines if line.strip()]
    size, count = max(1, len(text)), max(1, len(full))

    def share(pattern: re.Pattern[str]) -> float:
        return sum(pattern.match(line) is not None for line in full) / count

    return (
        size,
        sum(map(len, full)) / count,
        share(_HEADING),
        share(_ITEM),
        (len(lines) - len(full)) / len(lines),
        sum(_SENTENCE_END.search(line) is not None for line in full) / count,
        sum(_begins_small(line) for line in full) / count,
        100 * len(_MARKS.findall(text)) / size,
        100 * len(_DIGIT.findall(text)) / size,
        100 * sum(map(str.isupper, text)) / size,
    )


def _begins_small(line: str) -> bool:
    first = next((letter for letter in line[:40] if letter.isalpha()), "")
    return first.islower()
