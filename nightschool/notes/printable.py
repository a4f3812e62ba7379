"""Text that is safe to encode and to show in a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def encodable(text: str) -> str:
    """Replace lone surrogates, from JSON escapes or undecodable file names, by "?"."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def without_controls(text: str) -> str:
    """Replace control characters by spaces, so that a terminal obeys nothing in the text."""
    return _CONTROL.sub(" ", encodable(text))


def one_line(text: str) -> str:
    """A name or an excerpt on one line: without control characters, white space collapsed."""
    return " ".join(without_controls(text).split())


def listed(names: Sequence[str], limit: int = 8) -> str:
    """'a.md, b.md', or the first `limit` names and how many more there are."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
