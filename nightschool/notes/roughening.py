"""Roughening: a tidy note as it would look if it had been typed in a hurry.

Nothing is added but list markers; what is taken away is structure (headings, markup, marks), the
first or last sentences, and capital letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from nightschool.notes.sentences import sentences

_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t].*\n?|^.+\n[ \t]*(?:={3,}|-{3,})[ \t]*$\n?", re.MULTILINE)
_MARKER = re.compile(r"^([ \t]*)(?:[-*+•・]|\d{1,3}[.)])[ \t]+(?=\S)", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\n]{0,500})\]\([^)\n]{0,2000}\)")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~).*\n?", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<!\w)(\*{1,3}|_{1,3}|`{1,2})(?=\S)([^*_`\n]+)(?<=\S)\1(?!\w)")
_LINE_END = re.compile(r"(?<=\S)[ \t]*\n[ \t]*(?=\S)")
_STOP = re.compile(r"[.。．](?=\s|\Z)")
_JAPANESE = re.compile("[\u3000-\u30ff\u3400-\u9fff\uff01-\uff9f]")
# Of the sentences, at least this share stays.
_KEPT = 0.5


def roughen(text: str, seed: str) -> str:
    """A rougher version of a note: the same for the same seed, never empty, never with a new word.

    Each way of roughening is taken with probability 1/2; a note that offers nothing stays as it is.
    """
    # Seeded with a text and asked for random() alone, it is alike on every version of Python.
    random = Random(seed)
    rough = text
    for way in _WAYS:
        if random.random() < 0.5:
            changed = way(rough, random)
            rough = changed if changed.strip() else rough
    return re.sub(r"\n{3,}", "\n\n", rough).strip()


def _without_headings(text: str, _: Random) -> str:
    return _HEADING.sub("", text)


def _other_markers(text: str, random: Random) -> str:
    """Every list marker replaced by one other, or dropped."""
    marker = ("", "", "- ", "* ", "・")[int(random.random() * 5)]
    return _MARKER.sub(rf"\g<1>{marker}", text)


def _without_markup(text: str, _: Random) -> str:
    return _EMPHASIS.sub(r"\2", _LINK.sub(r"\1", _FENCE.sub("", text)))


def _fragment(text: str, random: Random) -> str:
    """A run of its sentences."""
    parts = list(sentences(text))
    kept = max(1, round(len(parts) * (_KEPT + (1 - _KEPT) * random.random())))
    begin = int(random.random() * (len(parts) - kept + 1))
    return "".join(parts[begin : begin + kept])


def _in_lower_case(text: str, _: Random) -> str:
    return text.lower()


def _without_stops(text: str, _: Random) -> str:
    return _STOP.sub("", text)


def _on_one_line(text: str, _: Random) -> str:
    """Paragraphs stay; between Japanese characters, no space takes the line end's place."""

    def joint(found: re.Match[str]) -> str:
        beside = text[found.start() - 1], text[found.end()]
        return "" if all(map(_JAPANESE.match, beside)) else " "

    return _LINE_END.sub(joint, text)


_WAYS: tuple[Callable[[str, Random], str], ...] = (
    _without_headings,
    _other_markers,
    _without_markup,
    _fragment,
    _in_lower_case,
    _without_stops,
    _on_one_line,
)
