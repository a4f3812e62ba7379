"""The language of a note: Japanese by its script, others by py3langid's character n-grams."""

from __future__ import annotations

import re
import tempfile
from functools import cache
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING

from nightschool.notes.markdown import prose

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

UNSURE = "unsure"
# Below this probability the guess is wrong too often: lists of names, code, a word or two.
_MIN_PROBABILITY = 0.5
# A language with a smaller share of a note's letters contributes only foreign words.
_MIN_SHARE = 0.2
# A kana or kanji counts as about two letters of an alphabet.
_JAPANESE_WEIGHT = 2
_MAX_CHARACTERS = 600
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]")
_JAPANESE = re.compile("[\u3005\u3041-\u3096\u30a1-\u30fc\uff66-\uff9f\u4e00-\u9fff]+")
_LETTER = re.compile(r"[^\W\d_]")


def language(text: str) -> str:
    """ISO 639 code of a note's language; "ja+en" for a mix with Japanese, "unsure" if undecided.

    Ignores code, URLs and HTML tags, and reads the first 600 characters only. The model is that of
    langid.py (Lui & Baldwin 2012), in its maintained fork.
    """
    words = prose(text[:_MAX_CHARACTERS])
    if not _KANA.search(words):
        # Kanji without kana may be Chinese.
        return _other(words)
    japanese = _JAPANESE_WEIGHT * sum(map(len, _JAPANESE.findall(words)))
    rest = _JAPANESE.sub(" ", words)
    others = len(_LETTER.findall(rest))
    share = japanese / (japanese + others)
    if share >= 1 - _MIN_SHARE:
        return "ja"
    other = _other(rest)
    if share <= _MIN_SHARE:
        return other
    return "ja" if other in ("ja", UNSURE) else f"ja+{other}"


def _other(text: str) -> str:
    if not _LETTER.search(text):
        return UNSURE
    code, probability = _identifier().classify(text)
    return str(code) if probability >= _MIN_PROBABILITY else UNSURE


@cache
def _identifier() -> LanguageIdentifier:
    # Loading takes half a second.
    from py3langid import modelio  # lazy: py3langid
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # lazy: py3langid

    try:
        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    except (
        OSError
    ):  # it unpacks the model into a temporary file, for which the disk may have no room
        vars(modelio)["tempfile"] = SimpleNamespace(TemporaryFile=lambda **_: BytesIO())
        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    finally:
        vars(modelio)["tempfile"] = tempfile
