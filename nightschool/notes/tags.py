"""Tags in the text of a note: Obsidian's `#lesson`, Logseq's `#[[two words]]`, Bear's `#two words#`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from nightschool.notes.markdown import without_code
from nightschool.notes.text_removal import without_spans

# What ends a tag, after Obsidian: white space, ASCII punctuation other than - _ / and the blocks of
# general and supplemental punctuation; also the punctuation of Chinese, Japanese, Arabic and Hindi. The
# joiners U+200C and U+200D belong to words and emoji.
_END = (
    r"\s!\"#$%&'()*+,.:;<=>?@\[\\\]^`{|}~\u2000-\u200b\u200e-\u206f\u2e00-\u2e7f"
    r"\u3001-\u3003\u3008-\u3011\u3014-\u301f\uff01-\uff0c\uff0e\uff0f\uff1a-\uff20\uff3b-\uff3d"
    r"\uff5b-\uff65\u060c\u061b\u061f\u0964\u0965"
)
_TAG = re.compile(
    # Logseq and Roam
    r"#\[\[(?P<page>[^\[\]\n|]+)\]\]"
    # Bear; a single word needs no closing #.
    rf"|(?=#(?P<words>[^\s#][^#\n]{{0,80}}[^\s#])#(?![^{_END}]))#(?P<first>[^{_END}]+)"
    rf"|#(?P<word>[^{_END}]+)"
)
# Begins with #, so that the search for it is fast.
_FIRST = re.compile(r"#(?<!\S#)(?=[^\s#])")
_NO_NAME = re.compile(r"[\d/_-]*")


class Tag(NamedTuple):
    """A tag in a text: its name without `#`, and where it stands, in characters."""

    name: str
    begin: int
    end: int
    first: tuple[str, int] | None = None
    """Of `#two words#`, "two" and its end: `#two` may be meant."""


def tags(text: str) -> tuple[Tag, ...]:
    """The tags in a text outside code, at the start of a word or directly behind another tag."""
    return tuple(_tags(text)) if _FIRST.search(text) else ()


def _tags(text: str) -> Iterator[Tag]:
    outside_code = without_code(text)
    place = 0
    while first := _FIRST.search(outside_code, place):
        place = first.end()
        begin = first.start()
        while match := _TAG.match(outside_code, begin):
            word = match["first"] or match["word"] or ""
            named = bool(word) and not _NO_NAME.fullmatch(word)
            end = match.end()
            if match["page"]:
                yield Tag(match["page"].strip(), begin, end)
            elif match["words"] and " " in match["words"]:
                whole_end = match.end("words") + 1
                yield Tag(match["words"], begin, whole_end, (word, end) if named else None)
            elif named:
                yield Tag(word, begin, end)
            begin = place = end


def without_tags(text: str, unwanted: Callable[[str], bool]) -> str:
    """The text without the tags for which `unwanted` is true."""

    def spans() -> Iterator[tuple[int, int]]:
        for tag in tags(text):
            if unwanted(tag.name):
                yield tag.begin, tag.end
            elif tag.first and unwanted(tag.first[0]):
                yield tag.begin, tag.first[1]

    return without_spans(text, spans())
