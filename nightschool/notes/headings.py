"""A file of several notes: each Markdown heading begins one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from nightschool.notes.decoding import one_line

_LONGEST = 80
# Headings with #; what looks like one within a code block is none.
_HEADING = re.compile(
    r"^[ \t]*(?P<fence>`{3,}(?=[^`\n]*$)|~{3,}).*?(?:^[ \t]*(?P=fence)|\Z)"
    r"|^ {0,3}(?P<level>#{1,6})(?:[ \t]+(?P<name>[^\n]*))?$",
    re.MULTILINE | re.DOTALL,
)


def sections(text: str, level: int) -> Iterator[tuple[str, str, bool]]:
    """(heading, text with it, whether there is more than the heading), in the text's order.

    A heading of `level` or above (1 is `#`) begins a section; deeper ones stay within. What stands
    before the first has the heading "". Headings that occur twice are numbered: "Todo (2)".
    """
    begins = [
        (match.start(), match.end(), _name(match["name"]))
        for match in _HEADING.finditer(text)
        if match["level"] and len(match["level"]) <= level
    ]
    if not begins:
        yield "", text, True
        return
    first = begins[0][0]
    if text[:first].strip():
        yield "", text[:first], True
    seen: Counter[str] = Counter()
    ends = [*(begin for begin, _, _ in begins[1:]), len(text)]
    for (begin, after, name), end in zip(begins, ends, strict=True):
        seen[name] += 1
        heading = name if seen[name] == 1 else f"{name} ({seen[name]})"
        yield heading, text[begin:end], bool(text[after:end].strip())


def _name(heading: str | None) -> str:
    """A heading as sources show it: without closing #, at most 80 characters."""
    name = one_line(re.sub(r"(?:^|[ \t])#+[ \t]*$", "", heading or ""))
    return name[:_LONGEST] or "untitled"
