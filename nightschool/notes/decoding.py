"""Decoding: the text of a note from bytes in any of the usual encodings."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, TextIO

import charset_normalizer

from nightschool.config.errors import NotesError
from nightschool.config.files import open_regular
from nightschool.notes.note import SkipReason, skip_message
from nightschool.notes.repaired_text import nearly_utf8, repaired
from nightschool.notes.trouble import Trouble, TroubleType

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What charset-normalizer chooses from if no simpler rule applies.
_LEGACY = ["cp932", "euc_jp", "cp1252", "gb18030", "big5", "euc_kr", "cp1251"]
_MAX_CONTROLS = 0.05  # share of the characters
_CONTROLS = bytes(code for code in range(32) if chr(code) not in "\t\n\r\f\x1b")
# With a byte order mark, the encoding is certain unless more characters than this share are broken.
_MAX_BROKEN = 0.05
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
    text, troubles = decoded.text, decoded.troubles
    # In every encoding read here, text with a control character has a byte that is one.
    if _controls(raw):
        if _controls(text.encode("utf-8", "replace")) > max(1, _MAX_CONTROLS * len(text)):
            raise Undecodable(SkipReason.BINARY)
        if "\0" in text:
            nul_lines = [number for number, line in enumerate(_lines(text), 1) if "\0" in line]
            troubles += tuple(Trouble(TroubleType.NUL, number) for number in nul_lines)
            text = text.replace("\0", "")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return Decoded(text, tuple(sorted(troubles, key=lambda trouble: trouble.line)))


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
    for mark, marked in _BOMS:
        if raw.startswith(mark):
            return _decode_marked(raw, mark, marked)
    if encoding:
        result = repaired(raw, encoding)
        return Decoded(result.text, result.troubles)
    if _SHIFT in raw and (text := _read_as(raw, "iso2022_jp_ext")) is not None:
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
    if nearly and nearly.valid > 1 + nearly.broken:  # whatever else the bytes could be
        return Decoded(nearly.text, nearly.troubles)
    # A detector needs more text than a short note has, so plausible readings come first.
    for encoding, is_plausible in _PLAUSIBLE:
        text = _read_as(raw, encoding)
        if text is not None and "\0" not in text and is_plausible(text):
            return Decoded(text)
    return Decoded(nearly.text, nearly.troubles) if nearly else Decoded(_legacy(raw))


def _decode_marked(raw: bytes, mark: bytes, encoding: str) -> Decoded:
    """Decode what follows a byte order mark. Raises Undecodable if too much of it is broken."""
    result = repaired(raw, encoding, len(mark))
    if result.broken > _MAX_BROKEN * len(result.text) and result.broken >= result.valid:
        raise Undecodable(SkipReason.WRONG_MARK, encoding)
    return Decoded(result.text, result.troubles)


def _legacy(raw: bytes) -> str:
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


def _unmarked_wide(raw: bytes) -> str | None:
    """Decode as UTF-32, or as UTF-16 in the byte order that gives more kana, ASCII and punctuation.

    None if neither fits.
    """
    for encoding in ("utf-32-le", "utf-32-be"):
        # Of the 32 bits, eleven are always 0.
        text = _read_as(raw, encoding)
        if text:
            return text
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
