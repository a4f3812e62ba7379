"""Which characters are frequent in notes: a reading in the wrong encoding has few of them."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

KANA = re.compile("[\u3040-\u30fe\uff61-\uff9f]")
_ALWAYS = "\t\n\r -~\u3000-\u30ff\uff01-\uff5e\u2010-\u2026"
# The blocks of 256 characters that hold the alphabets.
_ALPHABETS = range(0x01, 0x20)
_MIN_WIDE = 8
# One character in so many may be another one.
_PER_RARE = 16


def is_frequent_japanese(text: str) -> bool:
    """Whether all characters are; other bytes hardly give three such characters in a row."""
    return count(_frequent_japanese(), text) == len(text)


def is_plain_text(text: str) -> bool:
    """Whether nearly all characters are frequent ideographs or syllables, or of one alphabet.

    Texts of fewer than 8 characters are not judged.
    """
    if len(text) < _MIN_WIDE:
        return False
    blocks = Counter(ord(char) >> 8 for char in text)
    alphabet = max(_ALPHABETS, key=lambda block: blocks[block])
    rest = _frequent_ideographs().sub("", text)
    return sum(ord(char) >> 8 != alphabet for char in rest) <= len(text) // _PER_RARE


def count(characters: re.Pattern[str], text: str) -> int:
    """How many characters match; a list of them would take a hundred bytes for each."""
    return len(text) - len(characters.sub("", text))


@cache
def _frequent_japanese() -> re.Pattern[str]:
    """Of kanji, the 2,965 of JIS X 0208 level 1."""
    return re.compile(f"[\t\n\r -~〜{re.escape(_decoded('cp932', 0x8140, 0x9873))}]")


@cache
def _frequent_ideographs() -> re.Pattern[str]:
    """With the 3,755 of GB 2312 level 1, the 5,401 of Big5 level 1, and the 2,350 Hangul of KS X 1001."""
    chinese = _decoded("gb2312", 0xB0A1, 0xD7FA) + _decoded("big5", 0xA440, 0xC67F)
    korean = _decoded("euc_kr", 0xB0A1, 0xC8FF)
    japanese = _decoded("cp932", 0x8140, 0x9873)
    return re.compile(f"[{_ALWAYS}{re.escape(japanese + chinese + korean)}]")


def _decoded(encoding: str, first: int, end: int) -> str:
    codes = (code.to_bytes(2, "big") for code in range(first, end))
    return "".join(code.decode(encoding, "ignore") for code in codes)
