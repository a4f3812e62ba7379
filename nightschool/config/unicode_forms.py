"""Unicode normalisation forms of any text, in linear time."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal

_MOST_MARKS = 30
_JOINER = "\u034f"  # combining grapheme joiner
_AFTER_MARKS = 0x20000  # no mark of Unicode 17 is above
# Every mark is one of these, and collecting the marks takes a tenth of a second.
_MAY_BE_LONG_RUN = re.compile(rf"[^\w\s!-~]{{{_MOST_MARKS + 1}}}|[\uff9e\uff9f]")


def unicode_form(form: Literal["NFC", "NFKC"], text: str) -> str:
    """A text in a Unicode normalisation form, in linear time for any text.

    Sorting a run of combining marks takes quadratic time, so that a joiner divides runs of more than 30, as
    in the Stream-Safe Text Format (Unicode Standard Annex 15, section 13); no language needs as many.
    """
    if text.isascii():
        return text
    if _MAY_BE_LONG_RUN.search(text):
        text = _long_run().sub(rf"\g<0>{_JOINER}", text)
    return unicodedata.normalize(form, text)


@cache
def _long_run() -> re.Pattern[str]:
    """Matches 30 combining marks before another one: characters that decompose into nothing else."""
    marks = (re.escape(c) for c in map(chr, range(_AFTER_MARKS)) if _is_mark(c))
    characters = f"[{''.join(marks)}]"
    return re.compile(f"{characters}{{{_MOST_MARKS}}}(?={characters})")


def _is_mark(character: str) -> bool:
    if not unicodedata.decomposition(character):
        return unicodedata.combining(character) > 0
    return all(map(unicodedata.combining, unicodedata.normalize("NFKD", character)))
