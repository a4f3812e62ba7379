"""Decoding: the text of a note from bytes in any of the usual encodings."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from nightschool.config.errors import NotesError
from nightschool.config.files import open_regular
from nightschool.config.printable import encodable
from nightschool.notes import legacy_encoding
from nightschool.notes.frequent_characters import (
    KANA,
    count,
    is_frequent_japanese,
    is_plain_text,
)
from nightschool.notes.note import SkipReason, skip_message
from nightschool.notes.repaired_text import Repaired, nearly_utf8, repaired
from nightschool.notes.trouble import Trouble, TroubleType

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MARKS_BEGIN = {mark[:1] for mark, _ in _BOMS}
# Shares of the characters; what is otherwise UTF-8 may have a NUL for each word.
_MAX_CONTROLS, _MAX_NULS = 0.05, 0.1
_CONTROLS = bytes(code for code in range(32) if chr(code) not in "\t\n\r\f\x1b")
# With a byte order mark, the encoding is certain unless more characters than this share are broken.
_MAX_BROKEN = 0.05
_LONG = 8  # characters, of which one may be broken
_BLOCK = 1 << 20  # bytes
# An encoding is detected from a whole file in memory.
_MOST_LEGACY_BYTES = 32_000_000
# Introduces characters other than ASCII in ISO-2022-JP and -KR.
_SHIFT = b"\x1b$"
# Frequent in notes of any language, and rare in text decoded in the wrong byte order.
_COMMON = re.compile("[\t\n\r -~、。]")
_MIN_COMMON = 0.2  # share of the characters
_JUDGED = 50_000  # characters


class Undecodable(NotesError):
    """Bytes that are not text."""

    def __init__(self, reason: SkipReason, detail: str = "") -> None:
        super().__init__(skip_message(reason, detail))
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, its line ends "\\n", and what was odd about its bytes, in the order of the lines."""

    text: str
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class TextLines:
    """The lines of a file that is open, their ends "\\n"."""

    stream: TextIO
    raw: BinaryIO
    troubles: tuple[Trouble, ...] = ()

    def bytes_read(self) -> int:
        """How much of the file has been read so far."""
        return self.raw.tell()


def decode(raw: bytes, encoding: str = "") -> Decoded:
    """Decode `encoding`; if it is "", UTF-8, UTF-16 or UTF-32, ISO-2022-JP, or a legacy encoding.

    A byte order mark always decides. Nearly valid UTF-8 and what does not fit `encoding` get replacement
    characters. Raises Undecodable for binary data, and if the encoding cannot be told.
    """
    decoded = _decode(raw, encoding)
    if _controls(raw):
        decoded = _without_nuls(decoded)
    if b"\r" in raw:
        text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
        return Decoded(text, decoded.troubles)
    return decoded


def _without_nuls(decoded: Decoded) -> Decoded:
    """Leave out NULs, and name their lines. Raises Undecodable if there are many control characters.

    In every encoding read here, text with a control character has a byte that is one.
    """
    text = decoded.text
    if _controls(text.encode("utf-8", "replace")) > max(1, _MAX_NULS * len(text)):
        raise Undecodable(SkipReason.BINARY)
    if "\0" not in text:
        return decoded
    nul_lines = [number for number, line in enumerate(_lines(text), 1) if "\0" in line]
    nuls = (Trouble(TroubleType.NUL, number) for number in nul_lines)
    troubles = sorted((*decoded.troubles, *nuls), key=lambda trouble: trouble.line)
    return Decoded(text.replace("\0", ""), tuple(troubles))


def as_decoded(text: str) -> str:
    """A text out of JSON or CSV as `decode` would give it if it were a file."""
    text = encodable(text).removeprefix("\ufeff").replace("\0", "")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _lines(text: str) -> Iterator[str]:
    return io.StringIO(text, newline=None)


def _controls(raw: bytes) -> int:
    return len(raw) - len(raw.translate(None, _CONTROLS))


@contextmanager
def open_lines(file: Path, encoding: str = "") -> Iterator[TextLines]:
    """Open a text file of any size, to be read line by line; `encoding` as for `decode`.

    UTF-8 without escape characters is read in blocks; any other file of up to 32 MB is decoded whole.
    Raises Undecodable or OSError.
    """
    with open_regular(file) as raw:
        utf8 = encoding in ("", "utf-8") and _is_utf8(raw)
        raw.seek(0)
        if utf8:
            yield TextLines(io.TextIOWrapper(raw, encoding="utf-8-sig"), raw)
            return
        content = raw.read(_MOST_LEGACY_BYTES + 1)
        if len(content) > _MOST_LEGACY_BYTES:
            limit = f"{_MOST_LEGACY_BYTES:,} bytes, and not UTF-8"
            raise Undecodable(SkipReason.TOO_LARGE, limit)
        decoded = decode(content, encoding)
        yield TextLines(io.StringIO(decoded.text), raw, decoded.troubles)


def _is_utf8(raw: BinaryIO) -> bool:
    """Whether a whole file is UTF-8 text without escape characters; it is read in blocks."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = controls = 0
    while True:
        block = raw.read(_BLOCK)
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError:
            return False
        size += len(block)
        controls += _controls(block)
        if b"\0" in block or _SHIFT[:1] in block:
            return False
        if not block:
            return controls <= _MAX_CONTROLS * size


def _decode(raw: bytes, encoding: str) -> Decoded:
    if raw[:1] in _MARKS_BEGIN:
        for mark, marked in _BOMS:
            if raw.startswith(mark):
                return _decode_marked(raw, mark, marked)
    if encoding:
        result = repaired(raw, encoding)
        return Decoded(result.text, result.troubles)
    if _SHIFT in raw:
        for shifting in ("iso2022_jp_ext", "iso2022_kr"):
            if (text := _read_as(raw, shifting)) is not None:
                return Decoded(text)
    text = _read_as(raw, "utf-8")
    if text is not None and b"\0" not in raw:
        return Decoded(text)
    wide = _unmarked_wide(raw)
    if wide is not None:
        return Decoded(wide)
    if text is not None:
        return Decoded(text)
    nearly = nearly_utf8(raw)
    if nearly and _is_surely_utf8(nearly):
        return Decoded(nearly.text, nearly.troubles)
    if _controls(raw) > max(1, _MAX_CONTROLS * len(raw)):
        raise Undecodable(SkipReason.BINARY)
    found = legacy_encoding.detect(raw)
    if nearly and not (found and (found.is_sure or nearly.valid == nearly.broken)):
        return Decoded(nearly.text, nearly.troubles)
    if not found:
        raise Undecodable(SkipReason.UNKNOWN_ENCODING)
    result = repaired(raw, found.encoding)
    if found.is_sure:
        return Decoded(result.text, result.troubles)
    unsure = Trouble(TroubleType.UNSURE_ENCODING, detail=found.encoding)
    return Decoded(result.text, (unsure, *result.troubles))


def _is_surely_utf8(nearly: Repaired) -> bool:
    return nearly.valid > 1 + nearly.broken or legacy_encoding.fits_a_language(nearly.text)


def _decode_marked(raw: bytes, mark: bytes, encoding: str) -> Decoded:
    """Decode what follows a byte order mark. Raises Undecodable if too much of it is broken."""
    result = repaired(raw, encoding, len(mark))
    most = max(_MAX_BROKEN * len(result.text), len(result.text) >= _LONG)
    if result.broken > most and result.broken >= result.valid:
        raise Undecodable(SkipReason.WRONG_MARK, encoding)
    return Decoded(result.text, result.troubles)


def _read_as(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _unmarked_wide(raw: bytes) -> str | None:
    """Decode as UTF-32 or UTF-16 in the byte order that gives frequent characters; None if none fits."""
    for encoding in ("utf-32-le", "utf-32-be"):
        # Of the 32 bits, eleven are always 0.
        text = _read_as(raw, encoding)
        if text:
            return text
    readings = [text for text in (_read_as(raw, "utf-16-le"), _read_as(raw, "utf-16-be")) if text]
    if b"\0" in raw:
        # In UTF-16, ASCII has a NUL in each character.
        score, best = max(((_share_of_common(text), text) for text in readings), default=(0.0, ""))
        if score >= _MIN_COMMON:
            return best
    for text in readings:
        begin = text[:_JUDGED]
        if is_plain_text(begin) or (len(begin) > 2 and is_frequent_japanese(begin)):
            return text
    return None


def _share_of_common(text: str) -> float:
    begin = text[:_JUDGED]
    return (2 * count(KANA, begin) + count(_COMMON, begin)) / len(begin)
