"""Text from bytes that are not quite valid: what does not fit is replaced, and its place is kept."""

from __future__ import annotations

import codecs
import re
from bisect import bisect
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace

from nightschool.notes.trouble import Trouble, TroubleType

_LINE_END = re.compile("\r\n?|\n")
# The UTF-8 form of one surrogate of UTF-16, and of the two that CESU-8 and Java write for one character.
_SURROGATE = rb"\xed[\xa0-\xbf][\x80-\xbf]"
_TWO_SURROGATES = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
# A surrogate, or a character in a longer form than needed, such as Java's NUL: one place.
_BROKEN_CHARACTER = re.compile(
    _SURROGATE + rb"|[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|\xf0[\x80-\x8f][\x80-\xbf]{2}"
)
# No strict decoder returns a lone surrogate, so one can stand for broken bytes until all are decoded.
_STAND_IN = "\udc80"
_FIRST_CHECK = 200  # broken bytes

# Continuation bytes at the beginning; a lead byte with too few of them at the end.
_CUT_OFF = re.compile(
    rb"\A[\x80-\xbf]{1,3}|(?:[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\s*\Z"
)

Place = tuple[int, str]
"""The first byte that is broken, and the character that is meant; U+FFFD if there is none."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """A text with U+FFFD for what is broken, and a trouble for each line with something broken."""

    text: str
    troubles: tuple[Trouble, ...]
    valid: int
    """Characters other than ASCII."""
    broken: int
    """Places."""


class _NotUtf8(Exception):
    """More bytes are broken than characters are valid."""


class _Repair:
    """The places of broken bytes that a codec reports, one after another."""

    def __init__(self, must_be_utf8: bool) -> None:
        self.places: list[Place] = []
        self._next_check = _FIRST_CHECK if must_be_utf8 else 0

    def add(self, error: UnicodeDecodeError) -> tuple[str, int]:
        """Note a place; return what stands for it, and where to resume."""
        end, meant = error.end, "\ufffd"
        if error.encoding == "utf-8":
            if two := _TWO_SURROGATES.match(error.object, error.start):
                end, meant = two.end(), _one_character(two[0])
            elif one := _BROKEN_CHARACTER.match(error.object, error.start):
                end = one.end()
        self.places.append((error.start, meant))
        if len(self.places) == self._next_check:
            # Legacy text is given up early, however long it is.
            text = error.object[: error.start].decode("utf-8", "ignore")
            if _not_ascii(text) < len(self.places):
                raise _NotUtf8
            self._next_check *= 2
        return _STAND_IN, end


_repair: ContextVar[_Repair] = ContextVar("repair")


def _handle(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return _repair.get().add(error)


codecs.register_error("nightschool-repair", _handle)


def nearly_utf8(raw: bytes) -> Repaired | None:
    """Decode bytes that have no fewer valid multi-byte characters than broken places; None for others.

    Characters that are cut off at the beginning and the end count as one place. In a legacy encoding, few
    letters happen to be valid: a lead byte and all its 1 to 3 trail bytes.
    """
    try:
        result = repaired(raw, "utf-8", must_be_utf8=True)
    except _NotUtf8:
        return None
    cut = _CUT_OFF.sub(b"", raw)
    inner = result if cut == raw else repaired(cut, "utf-8")
    broken = inner.broken + (cut != raw)
    return replace(result, broken=broken) if inner.valid >= max(1, broken) else None


def repaired(raw: bytes, encoding: str, start: int = 0, must_be_utf8: bool = False) -> Repaired:
    """Decode from byte `start`; what is broken becomes U+FFFD.

    In UTF-8, two surrogates become the character that they mean; an overlong form is broken.
    """
    repair = _Repair(must_be_utf8)
    token = _repair.set(repair)
    try:
        text = raw[start:].decode(encoding, "nightschool-repair")
    finally:
        _repair.reset(token)
    if not repair.places:
        return Repaired(text, (), _not_ascii(text), 0)
    name = codecs.lookup(encoding).name.upper()
    troubles: dict[tuple[TroubleType, int], Trouble] = {}
    line_starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
    for index, (offset, meant) in zip(_stand_ins(text), repair.places, strict=True):
        line = bisect(line_starts, index)
        is_broken = meant == "\ufffd"
        type_ = TroubleType.BAD_BYTES if is_broken else TroubleType.TWO_SURROGATES
        trouble = Trouble(
            type_,
            line,
            name if is_broken else "",
            column=index - line_starts[line - 1] + 1,
            offset=start + offset,
        )
        troubles.setdefault((type_, line), trouble)
    pieces = text.split(_STAND_IN)
    characters = [*(meant for _, meant in repair.places), ""]
    mended = "".join(piece + char for piece, char in zip(pieces, characters, strict=True))
    broken = characters.count("\ufffd")
    return Repaired(mended, tuple(troubles.values()), _not_ascii(text) - broken, broken)


def _stand_ins(text: str) -> Iterator[int]:
    index = text.find(_STAND_IN)
    while index >= 0:
        yield index
        index = text.find(_STAND_IN, index + 1)


def _one_character(surrogates: bytes) -> str:
    two = surrogates.decode("utf-8", "surrogatepass")
    return two.encode("utf-16", "surrogatepass").decode("utf-16")


def _not_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))
