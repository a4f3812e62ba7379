"""Where sentences and words end, in English and Japanese: by marks, brackets and lines alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_MARKS = "!?…‼⁇⁈⁉"
_CLOSERS = "”’»)\\]}＂＇）］｝」』】〉》〕｣"
_JAPANESE = "\u3040-\u30ff\u4e00-\u9fff"
_END = re.compile(
    # 「本当？」 and 終わり。 need no white space after them; ３．１４ goes on.
    rf"[.{_MARKS}]*(?:[。！？｡]|．(?![0-9０-９]))[.{_MARKS}。！？｡．]*[{_CLOSERS}]*"
    # Western marks do: 3.14, notes.md and example.org/?q= go on.
    rf"|[.{_MARKS}]+[\"'*_~{_CLOSERS}]*(?=\s|\Z)"
    rf"|[{_MARKS}]+[{_CLOSERS}]*(?=[{_JAPANESE}])"
    # A line's end, but not in a hard-wrapped sentence, which mostly goes on with a small letter.
    r"|(?=\n[ \t]*+(?:\n|\Z|[^a-zß-ÿ]))"
)
# A full stop after a title, a single letter (e.g., U.S.) or a list's number ends no sentence.
_ABBREVIATED = re.compile(
    r"(?:\b(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|No|vs|cf|approx)|(?:^|\n)[ \t]*\d{1,3})\.\Z"
)
_LONGEST_ABBREVIATION = 24

# From here on come scripts without spaces between words: kana, kanji, hangul, full-width forms.
_UNSPACED = "\u2e80"
_JOINER = "\u200d"


def sentence_end(text: str, least: int, most: int) -> int | None:
    """The last place, over `least` and up to `most`, that has the end of a sentence just before it.

    The end of a line that is no sentence (a heading, a list) counts too. None where there is none.
    """
    last = None
    for found in _END.finditer(text, least):
        place = found.end()
        if place > most:
            break
        if place > least and not _abbreviated(text, place):
            last = place
    return last


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, in order; a line that is none (a heading, a list) counts too.

    Joined, they are the text again: white space stands before what follows it.
    """
    begin = 0
    for found in _END.finditer(text):
        place = found.end()
        if place > begin and not _abbreviated(text, place):
            yield text[begin:place]
            begin = place
    if begin < len(text):
        yield text[begin:]


def word_end(text: str, least: int, most: int) -> int | None:
    """The last place, over `least` and up to `most`, that is between two words.

    Between kana or kanji, every place counts. None where there is none.
    """
    for place in range(min(most, len(text)), max(least, 0), -1):
        if place == len(text) or (
            any(c.isspace() or c >= _UNSPACED for c in text[place - 1 : place + 1])
            and character_end(text, place) == place
        ):
            return place
    return None


def character_end(text: str, most: int) -> int:
    """The last place up to `most` that separates no accent, or part of an emoji, from its letter."""
    place = min(most, len(text))
    while 0 < place < len(text) and (
        text[place - 1] == _JOINER or text[place] == _JOINER or _belongs_to_the_last(text[place])
    ):
        place -= 1
    return place


def _belongs_to_the_last(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Mn", "Mc", "Me")
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
    )


def _abbreviated(text: str, place: int) -> bool:
    begin = max(0, place - _LONGEST_ABBREVIATION)
    return _ABBREVIATED.search(text, begin, place) is not None
