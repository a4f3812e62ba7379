"""What Markdown text consists of, as CommonMark reads it: code, headings, list items, sections, prose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from nightschool.config.printable import one_line

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_MAX_HEADING = 80  # characters
_PIECE = 100_000  # characters
# A block with more tokens or characters is cut, although that may change what its rest is.
_MOST_TOKENS = 100_000
_LONGEST_BLOCK = 2_000_000
# The headings and code of a text that are found; no text for people has as many.
_MOST_PARTS = 500_000
# A text in which this matches nothing holds no code; one without `_HEADING` holds no heading.
_CODE = re.compile(r"`|~~~|^(?: {4}| {0,3}\t)|[->*+.)](?: {5}| {0,4}\t)", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}(?:#{1,6}(?:[ \t]|$)|=+[ \t]*$|-+[ \t]*$)", re.MULTILINE)
_TICKS = re.compile(r"`+")
_NOT_PROSE = re.compile(r"<[^<>\n]*>|(?<!\w)\w++://\S+")


class Heading(NamedTuple):
    """A heading outside of lists and quotes; positions are in characters."""

    begin: int
    end: int
    """The end of its line or lines."""
    level: int
    name: str


@dataclass(frozen=True, slots=True)
class MarkdownStructure:
    """Where a text's code and headings are."""

    code: tuple[tuple[int, int], ...] = ()
    """Fenced and indented blocks and code spans, in order, as (begin, end) in characters."""
    headings: tuple[Heading, ...] = ()

    def masked(self, text: str) -> str:
        """The text with each character of code, other than line ends, replaced by a space."""
        parts, place = [], 0
        for begin, end in self.code:
            parts += [text[place:begin], re.sub(r"[^\n]", " ", text[begin:end])]
            place = end
        return "".join([*parts, text[place:]])


def structure(text: str) -> MarkdownStructure:
    """The structure of a text with "\\n" as line ends. Time is linear in its length."""
    if not (_CODE.search(text) or _HEADING.search(text)):
        return MarkdownStructure()
    code: list[tuple[int, int]] = []
    headings: list[Heading] = []
    for tokens, begins in _pieces(text):
        for number, token in enumerate(tokens):
            if token.map is None:
                continue
            begin, end = (begins[min(line, len(begins) - 1)] for line in token.map)
            if token.type in ("fence", "code_block"):
                code.append((begin, end))
            elif token.type == "inline":
                code += _code_spans(text, begin, end)
            elif token.type == "heading_open" and token.level == 0:
                name = one_line(tokens[number + 1].content)[:_MAX_HEADING] or "untitled"
                headings.append(Heading(begin, end, int(token.tag[1:]), name))
        if len(code) + len(headings) > _MOST_PARTS:
            break
    return MarkdownStructure(tuple(code), tuple(headings))


def _pieces(text: str) -> Iterator[tuple[list[Token], list[int]]]:
    """The blocks of a text, piece by piece: their tokens, and where each line of the piece begins.

    The tokens of a whole text would take up to a thousand times its size. A piece ends before a block of the
    top level, because what such a block is does not depend on what precedes it.
    """
    start, size = 0, _PIECE
    while start < len(text):
        stop = text.find("\n", start + size) + 1 or len(text)
        piece = text[start:stop]
        tokens = _parser().parse(piece)
        begins = [0, *(match.end() for match in re.finditer("\n", piece)), len(piece)]
        last = len(tokens) - 1
        while last > 0 and (tokens[last].level or tokens[last].nesting < 0):
            last -= 1
        if stop < len(text) and tokens:  # the last block may go on
            line = (tokens[last].map or [0])[0]
            if line == 0 and len(tokens) < _MOST_TOKENS and size < _LONGEST_BLOCK:
                size *= 2
                continue
            if line:
                tokens, stop = tokens[:last], start + begins[line]
        yield tokens, [start + begin for begin in begins]
        start, size = stop, _PIECE


def without_code(text: str) -> str:
    """The text with its code replaced by spaces: of the same length, so that positions stay."""
    return structure(text).masked(text) if _CODE.search(text) else text


def prose(text: str) -> str:
    """The text with spaces in place of code, HTML tags and URLs."""
    return _NOT_PROSE.sub(" ", without_code(text))


class MarkdownSection(NamedTuple):
    """A heading and the text below it."""

    heading: str
    """"" before the first heading; a repeated one is numbered: "Todo (2)"."""
    text: str
    """With the heading's line."""
    has_body: bool


def sections(text: str, level: int) -> Iterator[MarkdownSection]:
    """Split a text at its headings of `level` or above (1 is `#`), in order.

    Deeper headings, and headings within lists and quotes, stay within their section.
    """
    headings = [each for each in structure(text).headings if each.level <= level]
    if not headings:
        yield MarkdownSection("", text, True)
        return
    first = headings[0].begin
    if text[:first].strip():
        yield MarkdownSection("", text[:first], True)
    seen: Counter[str] = Counter()
    ends = [*(heading.begin for heading in headings[1:]), len(text)]
    for heading, end in zip(headings, ends, strict=True):
        seen[heading.name] += 1
        count = seen[heading.name]
        name = heading.name if count == 1 else f"{heading.name} ({count})"
        yield MarkdownSection(
            name, text[heading.begin : end], bool(text[heading.end : end].strip())
        )


def _code_spans(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The code spans of a paragraph: a run of backticks up to the next run of the same length."""
    runs = [(match.start(), match.end()) for match in _TICKS.finditer(text, begin, end)]
    last = {stop - start: number for number, (start, stop) in enumerate(runs)}
    place = begin
    for number, (start, stop) in enumerate(runs):
        length = stop - start
        escaped = text[start - 1 : start] == "\\"
        if start < place or escaped or last[length] == number:
            continue
        closing = next(n for n in range(number + 1, len(runs)) if runs[n][1] - runs[n][0] == length)
        place = runs[closing][1]
        yield start, place


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # lazy: markdown_it

    parser = MarkdownIt("commonmark")
    # Blocks only: inline tokens have no positions, and links are of no interest.
    parser.core.ruler.enableOnly(["block"])
    parser.block.ruler.disable("reference")
    return parser
