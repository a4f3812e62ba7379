"""What may give a note's kind away: its lines, marks and phrases, each comparable between notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from nightschool.config.unicode_forms import unicode_form

_MOST_CHARACTERS = (4000, 1000)
"""Of a longer text, so many characters at its beginning and at its end are searched."""
LONGEST_LINE = 200
_WORD_WEIGHT, _CJK_WEIGHT = 2, 1
_MARKS_IN_A_LINE = 40


class LeakForm(StrEnum):
    """What a candidate is; in the order in which one is preferred to others in the same notes."""

    LINE = "line"
    START = "start of a line"
    FILE_NAME = "part of a file name"
    LINK = "link"
    COMMENT = "comment"
    BRACKET = "text in brackets"
    FIELD = "field"
    TAG = "tag"
    SYMBOL = "symbol"
    SENTENCE = "sentence"
    PHRASE = "phrase"
    WORD = "word"
    NAME = "name of the kind"


class Candidate(NamedTuple):
    """A form and its normalised text: what occurrences in several notes have in common."""

    form: LeakForm
    text: str


class Occurrence(NamedTuple):
    """Where a candidate stands in a text, in characters."""

    candidate: Candidate
    begin: int
    end: int


NUMBER = "№"
"""Stands for any number, date or identifier in a normalised text; NFKC leaves no such character in others."""
# A number, date or time; but not the digits in a word, such as those of "mp3".
_NUMBER = re.compile(r"(?<![a-z\d])\d+(?:[.,:/\-t]\d+)*(?![a-z\d])")
_IDENTIFIER = re.compile(r"\b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b")
_ADDRESS = re.compile(r"[a-z]+://[^\s<>()\[\]\"'|]+")

_HAS_NAME = re.compile(r"[^\W\d_]|[\u2190-\u2bff\u3200-\u33ff\U0001f000-\U0001faff]")
_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,})[ \t]*([^\s`]*)")
_START = re.compile(
    r"[\s#>*+\-_|(\"']*([^\W_][^:：=|\n]{0,40}?)[\s*_]*(?:[:：=|]|\s[–—-]\s)[ \t]*[*_]*(\w*)"
)
_NUMBERED = re.compile(r"[\s#>*+\-_|(\"']*([^\W\d_]{2,20}[ ._-]{1,3})\d")
_FIELD = re.compile(r"([^\W\d_]{2,30})[*_]*\s*[:：=][*_]*\s*[\"']?([^\W\d_][\w-]*)")
_LINKED = re.compile(r"!?\[\[[^\[\]\n]{1,100}\]\]|\[[^\[\]\n]{1,100}\]\([^()\s]{1,300}\)")
_COMMENT = re.compile(r"<!--[^\n]{0,200}?-->|%%[^%\n]{1,200}%%")
_BRACKET = re.compile(
    r"【[^【】\n]{1,40}】|〔[^〔〕\n]{1,40}〕|《[^《》\n]{1,40}》|［[^［］\n]{1,40}］|"
    r"\[[^\[\]\n]{1,40}\](?!\()|\{[^{}\n]{1,40}\}|\*\*[^*\n]{1,40}\*\*|\([^()\n]{1,40}\)$|"
    r"(?<!\w)([~=_^|:!+])\1{0,2}+[^\W_][\w -]{0,38}?\1{1,3}(?!\w)"
)
_ELEMENT = re.compile(r"<[^<>\n]{1,40}>")
_TAG = re.compile(r"(?<![^\s(\[{`\"'*])[#@＃＠]+[^\W\d_][\w/-]{0,60}")
_SYMBOL = re.compile(
    r"(?:[\u2139\u2194-\u21aa\u231a-\u23ff\u25a0-\u27bf\u2934-\u2bff\u3030\u303d\u3200-\u33ff"
    r"\U0001f000-\U0001faff][\ufe0f\u200d\U0001f3fb-\U0001f3ff]*)"
)
_SYMBOLS = re.compile(f"{_SYMBOL.pattern}{{2,20}}")
_SENTENCE = re.compile(r"[^.!?。！？\n]+(?:[.!?]+(?=\s|$)|[。！？]+|(?=\n|$)|[.!?])")
_FILE_NAME = re.compile(r"[#\s]*[\w.\-~/\\:]*[-_./\\][\w.\-]+\s*")
_EDGE_WORDS = re.compile(r"\w+")
# In a shorter text, the first or last word is often the subject.
_LEAST_CHARACTERS = 150
_PART = re.compile(r"[^\W\d_]+")
# Characters of scripts without spaces between words, each a token; else words.
_CJK = r"\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0002fa1f\u0e00-\u0e7f"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_IS_CJK = re.compile(rf"[{_CJK}]")


@lru_cache(maxsize=1 << 16)
def folded(text: str) -> str:
    """What texts that differ in case, width and white space have in common."""
    text = text.casefold() if text.isascii() else unicode_form("NFKC", text).casefold()
    return " ".join(text.split())


@lru_cache(maxsize=1 << 16)
def normalised(text: str) -> str:
    """What texts have in common that also differ in numbers, dates, identifiers and the ends of addresses."""
    text = folded(text)
    if "://" in text:
        text = _ADDRESS.sub(lambda match: "/".join(match[0].split("/")[:4]), text)
    return _NUMBER.sub(NUMBER, _IDENTIFIER.sub(NUMBER, text))


def searched(text: str) -> list[tuple[int, int]]:
    """The parts of a text that are searched, as (begin, end) in characters."""
    first, last = _MOST_CHARACTERS
    if len(text) <= first + last:
        return [(0, len(text))]
    return [(0, first), (len(text) - last, len(text))]


def occurrences(text: str) -> Iterator[Occurrence]:
    """The lines and marks of a text, and what else is set apart from its prose."""
    for begin, end in searched(text):
        lines = [
            (match.start(), match.end())
            for match in re.compile(r"[^\n]+").finditer(text, begin, end)
            if not match[0].isspace()
        ]
        if len(text) >= _LEAST_CHARACTERS:
            yield from _edge_words(text, *lines[0])
            yield from _edge_words(text, *lines[-1])
        for number, (start, stop) in enumerate(lines):
            at_edge = number == 0 or number == len(lines) - 1
            yield from _in_line(text, start, stop, at_edge=at_edge and len(lines) > 1)


def _edge_words(text: str, start: int, stop: int) -> Iterator[Occurrence]:
    """The first and the last word of a line, which give a kind away if they name it."""
    words = list(_EDGE_WORDS.finditer(text, start, stop))
    for match in {id(each): each for each in (*words[:1], *words[-1:])}.values():
        yield from _found(LeakForm.NAME, match[0], match.start())


def _in_line(text: str, start: int, stop: int, *, at_edge: bool) -> Iterator[Occurrence]:
    line = text[start:stop]
    if fence := _FENCE.match(line):
        if fence[1]:
            yield from _found(LeakForm.NAME, fence[1], start + fence.start(1))
        return
    stripped = line.strip()
    if not _HAS_NAME.search(stripped):
        return
    if len(stripped) <= LONGEST_LINE:
        yield from _found(LeakForm.LINE, stripped, start + line.index(stripped))
    if match := _START.match(line[:LONGEST_LINE]):
        yield from _found(
            LeakForm.START, line[match.start(1) : match.start(2)], start + match.start(1)
        )
        if match[2]:
            yield from _found(LeakForm.START, match[0][match.start(1) :], start + match.start(1))
    for form, pattern, wanted in _MARKS:
        if wanted and not any(mark in line for mark in wanted):
            continue
        for match in islice(pattern.finditer(line), _MARKS_IN_A_LINE):
            yield from _found(form, match[0], start + match.start())
    if match := _NUMBERED.match(line):
        yield from _found(LeakForm.START, match[1], start + match.start(1))
    if not line.isascii():
        symbols = (*islice(_SYMBOL.finditer(line), _MARKS_IN_A_LINE), *_SYMBOLS.finditer(line))
        for match in symbols[: 2 * _MARKS_IN_A_LINE]:
            yield from _found(LeakForm.SYMBOL, match[0], start + match.start())
    for match in _SENTENCE.finditer(line):
        sentence = match[0].strip()
        if 3 < len(sentence) < min(len(stripped), LONGEST_LINE) and _HAS_NAME.search(sentence):
            yield from _found(
                LeakForm.SENTENCE, sentence, start + line.index(sentence, match.start())
            )
    if at_edge and len(line) <= LONGEST_LINE and _FILE_NAME.fullmatch(line):
        for part in _PART.finditer(line):
            yield from _found(LeakForm.FILE_NAME, part[0], start + part.start())


_MARKS: tuple[tuple[LeakForm, re.Pattern[str], str], ...] = (
    (LeakForm.LINK, _LINKED, "["),
    (LeakForm.LINK, re.compile(_ADDRESS.pattern, re.IGNORECASE), ":"),
    (LeakForm.COMMENT, _COMMENT, "<%"),
    (LeakForm.BRACKET, _BRACKET, "【〔《［[{*(~=_^|:!+"),
    (LeakForm.NAME, _ELEMENT, "<"),
    (LeakForm.FIELD, _FIELD, ":：="),
    (LeakForm.TAG, _TAG, "#@＃＠"),
)


def _found(form: LeakForm, text: str, begin: int) -> Iterator[Occurrence]:
    """A place as a candidate with any number, and as one with these numbers."""
    for each in dict.fromkeys((normalised(text), folded(text))):
        yield Occurrence(Candidate(form, each), begin, begin + len(text))


class Token(NamedTuple):
    """A word, or a character of a script without spaces, and where it stands, in characters."""

    text: str
    begin: int
    end: int


def tokens(text: str) -> list[Token]:
    """The tokens of the searched parts of a text, in order."""
    return [
        Token(normalised(match[0]), match.start(), match.end())
        for begin, end in searched(text)
        for match in _TOKEN.finditer(text, begin, end)
    ]


def phrase_weight(words: Sequence[str]) -> int:
    """How much a phrase says: a word counts as two characters of a script without spaces."""
    return sum(_CJK_WEIGHT if _IS_CJK.match(word) else _WORD_WEIGHT for word in words)


def names_kind(text: str, names: Iterable[str]) -> bool:
    """Whether a text holds one of a kind's names, in any case and width, or a longer form such as a plural."""
    text = folded(text)
    for name in map(folded, names):
        begins_word = r"(?<![^\W\d_])" if name[:1].isascii() else ""
        if name and re.search(begins_word + re.escape(name), text):
            return True
    return False
