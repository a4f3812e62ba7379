"""Text from anyone as a terminal may show it: nothing in it is obeyed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
# Controls other than tab and line end; marks that change the direction, divide lines or annotate; surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Replace by U+FFFD what a terminal would obey or show in another place: escape sequences, directions."""
    return _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n"))


def json_text(value: object) -> str:
    """JSON on one line, in UTF-8 but for what `printable` replaces: that is escaped, so nothing is lost."""
    return _UNPRINTABLE.sub(lambda c: f"\\u{ord(c[0]):04x}", json.dumps(value, ensure_ascii=False))


def encodable(text: str) -> str:
    """Replace lone surrogates, from JSON escapes or undecodable file names, by "?"."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def without_controls(text: str) -> str:
    """Replace control characters, line ends too, by spaces."""
    return _CONTROL.sub(" ", encodable(text))


def one_line(text: str) -> str:
    """A name or an excerpt on one line: without control characters, white space collapsed."""
    return " ".join(without_controls(text).split())


def listed(names: Sequence[str], limit: int = 8) -> str:
    """'a.md, b.md', or the first `limit` names and how many more there are."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
