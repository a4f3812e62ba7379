"""The identity of a note's content: copies that differ only in case, width or white space are equal."""

from __future__ import annotations

import hashlib

from nightschool.config.unicode_forms import unicode_form


def normalise(text: str) -> str:
    """What copies of a note have in common: NFKC, white space collapsed, case folded."""
    return " ".join(unicode_form("NFKC", text).casefold().split())


def content_id(text: str) -> str:
    """The first 16 hexadecimal digits of the sha256 of the normalised text."""
    return hashlib.sha256(normalise(text).encode()).hexdigest()[:16]
