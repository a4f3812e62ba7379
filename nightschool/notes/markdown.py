"""What Markdown text consists of: code, tags, sections, prose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from nightschool.notes.printable import one_line

_MAX_HEADING = 80  # characters
_FENCE = r"^[ \t]*(?P<fence>`{3,}(?=[^`\n]*$)|~{3,}).*?(?:^[ \t]*(?P=fence)|\Z)"
_CODE_SPAN = r"(?<!`)`++[^`\n]++`++"
# Obsidian's tags: # at the start of a word, then letters, digits, _, - and /, but not digits alone.
_NAME = r"[\w/-]*[^\W\d][\w/-]*"
_TAG = re.compile(rf"{_FENCE}|{_CODE_SPAN}|(?<!\S)#(?P<tag>{_NAME})", re.MULTILINE | re.DOTALL)
# Each of them becomes a tag once those before it are removed.
_TAGS_IN_A_ROW = re.compile(
    rf"{_FENCE}|{_CODE_SPAN}|(?<!\S)(?P<tags>(?:#{_NAME})++)", re.MULTILINE | re.DOTALL
)
_POSSIBLE_TAG = re.compile(r"#[\w/-]")  # literal first character: fast to search for
_HEADING = re.compile(
    rf"{_FENCE}|^ {{0,3}}(?P<level>#{{1,6}})(?:[ \t]+(?P<name>[^\n]*))?$", re.MULTILINE | re.DOTALL
)
_NOT_PROSE = re.compile(
    rf"{_FENCE}|{_CODE_SPAN}|<[^<>\n]*>|(?<!\w)\w++://\S+", re.MULTILINE | re.DOTALL
)


def tags(text: str) -> tuple[str, ...]:
    """The tags in a text outside code, such as `#lesson`; each once, without the `#`."""
    if not _POSSIBLE_TAG.search(text):
        return ()
    return tuple(dict.fromkeys(m["tag"] for m in _TAG.finditer(text) if m["tag"]))


def without_tags(text: str, unwanted: Callable[[str], bool]) -> str:
    """The text without the tags for which `unwanted` is true."""

    def kept(match: re.Match[str]) -> str:
        names = match["tags"].split("#")[1:] if match["tags"] else ()
        first = next((n for n, name in enumerate(names) if not unwanted(name)), None)
        if first is None:
            return "" if names else match[0]
        return "".join(f"#{name}" for name in names[first:])

    return _TAGS_IN_A_ROW.sub(kept, text)


def prose(text: str) -> str:
    """The text with a space for each piece of code, HTML tag and URL."""
    return _NOT_PROSE.sub(" ", text)


class MarkdownSection(NamedTuple):
    """A heading and the text below it."""

    heading: str
    """"" before the first heading; a repeated one is numbered: "Todo (2)"."""
    text: str
    """With the heading's line."""
    has_body: bool


def sections(text: str, level: int) -> Iterator[MarkdownSection]:
    """Split a text at its `#` headings of `level` or above (1 is `#`), in order.

    Deeper headings stay within their section.
    """
    begins = [
        (match.start(), match.end(), _heading_name(match["name"]))
        for match in _HEADING.finditer(text)
        if match["level"] and len(match["level"]) <= level
    ]
    if not begins:
        yield MarkdownSection("", text, True)
        return
    first = begins[0][0]
    if text[:first].strip():
        yield MarkdownSection("", text[:first], True)
    seen: Counter[str] = Counter()
    ends = [*(begin for begin, _, _ in begins[1:]), len(text)]
    for (begin, heading_end, name), end in zip(begins, ends, strict=True):
        seen[name] += 1
        heading = name if seen[name] == 1 else f"{name} ({seen[name]})"
        yield MarkdownSection(heading, text[begin:end], bool(text[heading_end:end].strip()))


def _heading_name(heading: str | None) -> str:
    """A heading's text on one line, without closing `#` and without what exceeds 80 characters."""
    name = one_line(re.sub(r"(?:^|[ \t])#+[ \t]*$", "", heading or ""))
    return name[:_MAX_HEADING] or "untitled"
