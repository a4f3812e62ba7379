"""Decoding: the text of a note from bytes in any of the usual encodings."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, TextIO

import charset_normalizer

from nightschool.config.errors import NotesError
from nightschool.config.files import open_regular
from nightschool.notes.note import SkipReason, skip_message

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What charset-normalizer chooses from if no simpler rule applies.
_LEGACY = ["cp932", "euc_jp", "cp1252", "gb18030", "big5", "euc_kr", "cp1251"]
_MAX_CONTROLS = 0.05  # share of the bytes
_CONTROLS = bytes(code for code in range(32) if chr(code) not in "\t\n\r\f\x1b")
_BLOCK = 1 << 20  # bytes
# An encoding is detected from a whole file in memory.
_MOST_LEGACY_BYTES = 32_000_000
# Introduces characters other than ASCII in ISO-2022-JP.
_SHIFT = b"\x1b$"
# Kana, kanji, Japanese punctuation, full-width letters and digits.
_JAPANESE = re.compile("[\u3001-\u30ff\u4e00-\u9fff\uff01-\uff5e]")
_KANA = re.compile("[\u3040-\u30fe\uff61-\uff9f]")
# Frequent in notes of any language, and rare in text decoded in the wrong byte order.
_COMMON = re.compile("[\t\n\r -~、。]")
_MIN_COMMON = 0.2  # share of the characters


class Undecodable(NotesError):
    """Bytes that are not text."""

    def __init__(self, reason: SkipReason, detail: str = "") -> None:
        super().__init__(skip_message(reason, detail))
        self.reason = reason
        self.detail = detail


def decode(raw: bytes) -> str:
    """Decode UTF-8 or UTF-16, with or without a byte order mark, cp932, or another legacy encoding.

    Line ends become "\\n". Raises Undecodable for binary data.
    """
    text = _decode(raw)
    # In every encoding read here, text with a control character has a byte that is one.
    if _controls(raw) and _controls(text.encode("utf-8", "replace")) > _MAX_CONTROLS * len(text):
        raise Undecodable(SkipReason.BINARY)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _controls(raw: bytes) -> int:
    return len(raw) - len(raw.translate(None, _CONTROLS))


@contextmanager
def open_lines(file: Path) -> Iterator[tuple[TextIO, Callable[[], int]]]:
    """The lines of a text file of any size, and a function that returns the number of bytes read so far.

    UTF-8 without escape characters is read in blocks; any other file of up to 32 MB is decoded whole, see
    `decode`. Line ends become "\\n". Raises Undecodable or OSError.
    """
    with open_regular(file) as raw:
        utf8 = _is_utf8(raw)
        raw.seek(0)
        if utf8:
            yield io.TextIOWrapper(raw, encoding="utf-8-sig"), raw.tell
            return
        content = raw.read(_MOST_LEGACY_BYTES + 1)
        if len(content) > _MOST_LEGACY_BYTES:
            limit = f"{_MOST_LEGACY_BYTES:,} bytes, and not UTF-8"
            raise Undecodable(SkipReason.TOO_LARGE, limit)
        yield io.StringIO(decode(content)), raw.tell


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


def _decode(raw: bytes) -> str:
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            try:
                return raw[len(mark) :].decode(encoding)
            except UnicodeDecodeError:
                raise Undecodable(SkipReason.WRONG_MARK, encoding) from None
    if _SHIFT in raw and (text := _read_as(raw, "iso2022_jp_ext")) is not None:
        return text
    text = _read_as(raw, "utf-8")
    if text is not None and b"\0" not in raw:
        return text
    wide = _unmarked_utf16(raw)
    if wide is not None:
        return wide
    # A detector needs more text than a short note has, so plausible readings come first.
    for encoding, is_plausible in _PLAUSIBLE:
        text = _read_as(raw, encoding)
        if text is not None and "\0" not in text and is_plausible(text):
            return text
    if b"\0" in raw:
        raise Undecodable(SkipReason.BINARY)
    best = charset_normalizer.from_bytes(raw, cp_isolation=_LEGACY).best()
    if best is None:
        raise Undecodable(SkipReason.BINARY)
    return str(best)


def _read_as(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _unmarked_utf16(raw: bytes) -> str | None:
    """Decode as UTF-16 in the byte order that gives more kana, ASCII and punctuation; None if neither does."""
    scored = [
        ((2 * _count(_KANA, text) + _count(_COMMON, text)) / len(text), text)
        for text in (_read_as(raw, "utf-16-le"), _read_as(raw, "utf-16-be"))
        if text
    ]
    score, best = max(scored, default=(0.0, ""))
    return best if score >= _MIN_COMMON else None


def _count(characters: re.Pattern[str], text: str) -> int:
    """How many characters match; a list of them would take a hundred bytes for each."""
    return len(text) - len(characters.sub("", text))


@cache
def _frequent_japanese() -> re.Pattern[str]:
    """Matches a character that is frequent in Japanese notes; of kanji, the 2,965 of JIS X 0208 level 1."""
    cells = (code.to_bytes(2, "big") for code in range(0x8140, 0x9873))
    wide = "".join(cell.decode("cp932", "ignore") for cell in cells)
    return re.compile(f"[\t\n\r -~〜{re.escape(wide)}]")


def _is_frequent_japanese(text: str) -> bool:
    """Whether all characters are frequent; other bytes hardly give three such characters in a row."""
    return len(text) > 2 and _count(_frequent_japanese(), text) == len(text)


def _is_japanese(text: str) -> bool:
    """Whether kana and kanji are adjacent, with few half-width katakana.

    Accented letters misread as Japanese give single kanji; other encodings give half-width katakana.
    """
    foreign = re.sub("[\x00-\x7f]", "", text)
    adjacent = sum(map(len, re.findall("[^\x00-\x7f]{2,}", text)))
    half_width = sum("\uff61" <= c <= "\uff9f" for c in foreign)
    return 2 * adjacent > len(foreign) > 5 * half_width and japanese_share(foreign) > 0.3


def japanese_share(text: str) -> float:
    """The share of kana, kanji and full-width characters in the characters other than white space."""
    visible = len("".join(text.split()))
    return _count(_JAPANESE, text) / visible if visible else 0.0


def _is_western(text: str) -> bool:
    """Whether non-ASCII letters are single or in pairs, as accents are; other scripts form whole words."""
    return not re.search("[^\x00-\x7f]{3}", text)


_PLAUSIBLE = (
    ("cp932", _is_japanese),
    ("euc_jp", _is_japanese),
    ("utf-16-le", _is_frequent_japanese),
    ("utf-16-be", _is_frequent_japanese),
    ("cp1252", _is_western),
)
