"""Where sentences and words end, in English and Japanese: by punctuation, brackets and lines only."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_MARKS = "!?…‼⁇⁈⁉"
_ALL_MARKS = f".{_MARKS}"
_CLOSERS = "”’»)\\]}＂＇）］｝」』】〉》〕｣"
_JAPANESE = "\u3040-\u30ff\u4e00-\u9fff"
# A run of marks is tried once, from its first one: a later one would try its rest again.
_END = re.compile(
    # Japanese marks need no white space after them (「本当？」 and 終わり。); ３．１４ is no end.
    rf"(?:(?<![.{_MARKS}])[.{_MARKS}]++)?(?:[。！？｡]|．(?![0-9０-９]))[.{_MARKS}。！？｡．]*[{_CLOSERS}]*"
    # Western marks need it: 3.14, notes.md and example.org/?q= are no ends.
    rf"|(?<![.{_MARKS}])[.{_MARKS}]++[\"'*_~{_CLOSERS}]*+(?=\s|\Z)"
    rf"|(?<![{_MARKS}])[{_MARKS}]++[{_CLOSERS}]*+(?=[{_JAPANESE}])"
    # The end of a line, unless a small letter follows: then the sentence is probably hard-wrapped.
    r"|(?=\n[ \t]*+(?:\n|\Z|[^a-zß-ÿ]))"
)
# A full stop after a title, a single letter (e.g., U.S.) or a list number ends no sentence.
_ABBREVIATED = re.compile(
    r"(?:\b(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|No|vs|cf|approx)|(?:^|\n)[ \t]*\d{1,3})\.\Z"
)
_MAX_ABBREVIATION = 24  # characters

# The first of the scripts without spaces between words: kana, kanji, hangul, full-width forms.
_UNSPACED = "\u2e80"
_JOINER = "\u200d"


def sentence_end(text: str, least: int, most: int) -> int | None:
    """The last position p with `least` < p <= `most` at which a sentence ends; None if there is none.

    The end of a line that is not a sentence (a heading, a list item) counts, too.
    """
    last = None
    begin = least
    while 0 < begin < len(text) and text[begin] in _ALL_MARKS and text[begin - 1] in _ALL_MARKS:
        begin -= 1
    for match in _END.finditer(text, begin):
        place = match.end()
        if place > most:
            break
        if place > least and not _abbreviated(text, place):
            last = place
    return last


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, in order; a line that is not a sentence counts as one.

    Joined, they give the text again: white space belongs to the sentence after it.
    """
    begin = 0
    for match in _END.finditer(text):
        place = match.end()
        if place > begin and not _abbreviated(text, place):
            yield text[begin:place]
            begin = place
    if begin < len(text):
        yield text[begin:]


def word_end(text: str, least: int, most: int) -> int | None:
    """The last position p with `least` < p <= `most` between two words; None if there is none.

    Between kana or kanji, every position counts.
    """
    for place in range(min(most, len(text)), max(least, 0), -1):
        if place == len(text) or (
            any(c.isspace() or c >= _UNSPACED for c in text[place - 1 : place + 1])
            and not _within_character(text, place)
        ):
            return place
    return None


def character_end(text: str, most: int) -> int:
    """The last position up to `most` that separates no accent or emoji part from its base character."""
    place = min(most, len(text))
    while _within_character(text, place):
        place -= 1
    return place


def _within_character(text: str, place: int) -> bool:
    return 0 < place < len(text) and (
        text[place - 1] == _JOINER or text[place] == _JOINER or _continues_character(text[place])
    )


def _continues_character(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Mn", "Mc", "Me")
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
    )


def _abbreviated(text: str, place: int) -> bool:
    begin = max(0, place - _MAX_ABBREVIATION)
    return _ABBREVIATED.search(text, begin, place) is not None
