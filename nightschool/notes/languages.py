"""The language of a note: Japanese by its script, every other by py3langid's character n-grams."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

UNSURE = "unsure"
# Below this probability a guess is wrong too often: lists of names, code, a word or two.
_SURE = 0.5
# A part that holds less of a note's letters is a few foreign words in it.
_PART = 0.2
# A kana or kanji stands for about two letters of an alphabet.
_WEIGHT = 2
_READ = 600
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]")
_JAPANESE = re.compile("[\u3005\u3041-\u3096\u30a1-\u30fc\uff66-\uff9f\u4e00-\u9fff]+")
_LETTER = re.compile(r"[^\W\d_]")
_NO_PROSE = re.compile(
    r"^[ \t]*(?P<fence>`{3,}(?=[^`\n]*$)|~{3,}).*?(?:^[ \t]*(?P=fence)|\Z)"
    r"|(?<!`)`++[^`\n]++`++|<[^<>\n]*>|\w+://\S+",
    re.MULTILINE | re.DOTALL,
)


def language(text: str) -> str:
    """ISO 639 code of a note's language, "ja+en" where two share it, "unsure" where nothing tells.

    Code, links and HTML tags do not count. Only the first 600 characters are looked at. The model is
    that of langid.py (Lui & Baldwin 2012) in its kept fork.
    """
    prose = _NO_PROSE.sub(" ", text[:_READ])
    if not _KANA.search(prose):
        # Kanji alone may be Chinese.
        return _other(prose)
    japanese = _WEIGHT * sum(map(len, _JAPANESE.findall(prose)))
    rest = _JAPANESE.sub(" ", prose)
    others = len(_LETTER.findall(rest))
    share = japanese / (japanese + others)
    if share >= 1 - _PART:
        return "ja"
    other = _other(rest)
    if share <= _PART:
        return other
    return "ja" if other in ("ja", UNSURE) else f"ja+{other}"


def _other(text: str) -> str:
    if not _LETTER.search(text):
        return UNSURE
    code, probability = _identifier().classify(text)
    return str(code) if probability >= _SURE else UNSURE


@cache
def _identifier() -> LanguageIdentifier:
    # Half a second: only where it is needed.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
