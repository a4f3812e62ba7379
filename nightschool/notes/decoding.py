"""From bytes to text, and from text to an identity."""

from __future__ import annotations

import codecs
import hashlib
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, TextIO

import charset_normalizer

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Tried by charset-normalizer where nothing simpler fits.
_LEGACY = ["cp932", "euc_jp", "cp1252", "gb18030", "big5", "euc_kr", "cp1251"]
_MOST_CONTROLS = 0.05
_CONTROLS = bytes(code for code in range(32) if chr(code) not in "\t\n\r\f\x1b")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_PIECE = 1 << 20
# Begins what is not ASCII in ISO-2022-JP.
_SHIFT = b"\x1b$"
# Kana, kanji, and the punctuation and full-width letters and digits beside them.
_JAPANESE = re.compile("[\u3001-\u30ff\u4e00-\u9fff\uff01-\uff5e]")
_KANA = re.compile("[\u3040-\u30fe\uff61-\uff9f]")
# What notes are full of in any language, and what swapped bytes hardly give.
_COMMON = re.compile("[\t\n\r -~、。]")
_LEAST_COMMON = 0.2


class Undecodable(Exception):
    """The bytes are no text; says why."""


def decode(raw: bytes) -> str:
    """Text of a note: UTF-8 or UTF-16 with or without a mark, cp932, or another legacy encoding.

    Line ends become "\\n". Raises Undecodable for binary data.
    """
    text = _decode(raw)
    # Where no byte is a control character, no letter of any encoding that is read here is one.
    if _controls(raw) and _controls(text.encode("utf-8", "replace")) > _MOST_CONTROLS * len(text):
        raise Undecodable("binary file")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _controls(raw: bytes) -> int:
    return len(raw) - len(raw.translate(None, _CONTROLS))


@contextmanager
def open_lines(file: Path) -> Iterator[tuple[TextIO, Callable[[], int]]]:
    """The lines of a text file of any size, and how many of its bytes are read so far.

    UTF-8 without escapes is never held whole; anything else is decoded at once, see `decode`. Line ends become
    "\\n". Raises Undecodable, or OSError.
    """
    with file.open("rb") as raw:
        utf8 = _is_utf8(raw)
        raw.seek(0)
        if utf8:
            yield io.TextIOWrapper(raw, encoding="utf-8-sig"), raw.tell
        else:
            yield io.StringIO(decode(raw.read())), raw.tell


def _is_utf8(raw: BinaryIO) -> bool:
    """Whether a file is UTF-8 text to its end, without escapes; it is read in pieces."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = controls = 0
    while True:
        piece = raw.read(_PIECE)
        try:
            decoder.decode(piece, final=not piece)
        except UnicodeDecodeError:
            return False
        size += len(piece)
        controls += _controls(piece)
        if b"\0" in piece or _SHIFT[:1] in piece:
            return False
        if not piece:
            return controls <= _MOST_CONTROLS * size


def _decode(raw: bytes) -> str:
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            try:
                return raw[len(mark) :].decode(encoding)
            except UnicodeDecodeError:
                raise Undecodable(f"marked as {encoding}, but it is not") from None
    if _SHIFT in raw and (text := _read_as(raw, "iso2022_jp_ext")) is not None:
        return text
    text = _read_as(raw, "utf-8")
    if text is not None and b"\0" not in raw:
        return text
    wide = _unmarked_utf16(raw)
    if wide is not None:
        return wide
    # A detector needs more text than a short note has: first what reads as it should.
    for encoding, is_plausible in _SHORT:
        text = _read_as(raw, encoding)
        if text is not None and "\0" not in text and is_plausible(text):
            return text
    if b"\0" in raw:
        raise Undecodable("binary file")
    best = charset_normalizer.from_bytes(raw, cp_isolation=_LEGACY).best()
    if best is None:
        raise Undecodable("binary file")
    return str(best)


def _read_as(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _unmarked_utf16(raw: bytes) -> str | None:
    """UTF-16 without a mark, in the byte order that gives more kana, ASCII and punctuation."""
    scored = [
        ((2 * len(_KANA.findall(text)) + len(_COMMON.findall(text))) / len(text), text)
        for text in (_read_as(raw, "utf-16-le"), _read_as(raw, "utf-16-be"))
        if text
    ]
    score, best = max(scored, default=(0.0, ""))
    return best if score >= _LEAST_COMMON else None


@cache
def _usual() -> re.Pattern[str]:
    """A character that Japanese notes mostly consist of: of kanji the 2,965 of JIS X 0208's level 1."""
    cells = (code.to_bytes(2, "big") for code in range(0x8140, 0x9873))
    wide = "".join(cell.decode("cp932", "ignore") for cell in cells)
    return re.compile(f"[\t\n\r -~〜{re.escape(wide)}]")


def _is_usual(text: str) -> bool:
    """Nothing but `_usual` characters, which bytes of other text hardly give three times in a row."""
    return len(text) > 2 and len(_usual().findall(text)) == len(text)


def _is_japanese(text: str) -> bool:
    """Kana and kanji side by side, and few half-width katakana.

    Accented letters read as Japanese give single kanji; other encodings give half-width katakana.
    """
    foreign = re.sub("[\x00-\x7f]", "", text)
    beside = sum(map(len, re.findall("[^\x00-\x7f]{2,}", text)))
    half_width = sum("\uff61" <= c <= "\uff9f" for c in foreign)
    return 2 * beside > len(foreign) > 5 * half_width and japanese_share(foreign) > 0.3


def _is_western(text: str) -> bool:
    """Accented letters and signs stand alone or in pairs; other scripts come in whole words."""
    return not re.search("[^\x00-\x7f]{3}", text)


_SHORT = (
    ("cp932", _is_japanese),
    ("euc_jp", _is_japanese),
    ("utf-16-le", _is_usual),
    ("utf-16-be", _is_usual),
    ("cp1252", _is_western),
)


def japanese_share(text: str) -> float:
    """The share of kana, kanji and what is full-width among the characters that are not white space."""
    visible = len("".join(text.split()))
    return len(_JAPANESE.findall(text)) / visible if visible else 0.0


def encodable(text: str) -> str:
    """Half surrogate pairs, from JSON's escapes or undecodable file names, become "?"."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def harmless(text: str) -> str:
    """Text with a space for every control character: a terminal shows it, and obeys nothing."""
    return _CONTROL.sub(" ", encodable(text))


def one_line(text: str) -> str:
    """A name or an excerpt as it is shown: `harmless`, on one line, white space collapsed."""
    return " ".join(harmless(text).split())


def listed(names: Sequence[str], most: int = 8) -> str:
    """'a.md, b.md', or of many the first and how many more."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def normalise(text: str) -> str:
    """What two copies of a note have in common: NFKC, white space collapsed, case folded."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def content_id(text: str) -> str:
    """The identity of a note's content: 16 hexadecimal digits of the sha256 of `normalise`."""
    return hashlib.sha256(normalise(text).encode()).hexdigest()[:16]
