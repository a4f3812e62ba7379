"""None of the above: which kind means it, and near-misses, notes that are made to be of no kind."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from nightschool.notes.kinds import same_kind
from nightschool.notes.sentences import word_end

# The likeliest first; compared without case and width.
NAMES = (
    "none", "none of the above", "none of these", "no kind", "other", "others", "misc",
    "miscellaneous", "out of scope", "どれでもない", "該当なし", "なし", "その他",
)  # fmt: skip
# A shorter passage says too little to be of any kind or of none.
_LEAST = 60


def none_kind(kinds: Sequence[str], given: str = "") -> str | None:
    """The kind that means "none of the above": the one that is given, else one with such a name.

    It is spelled as the notes spell it; one that is given, and that no note has, as it is given.
    """
    spelled = {same_kind(kind): kind for kind in kinds}
    if given:
        return spelled.get(same_kind(given), given)
    return next((spelled[name] for name in NAMES if name in spelled), None)


def cut_out(text: str, seed: str) -> str | None:
    """A passage that begins and ends in mid-thought; None where a note is too short for that."""
    random = Random(seed)
    text = text.strip()
    length = max(_LEAST, round(len(text) * (0.2 + 0.2 * random.random())))
    if len(text) < 3 * _LEAST:
        return None
    begin = round(len(text) * 0.1 + random.random() * (len(text) * 0.8 - length))
    return _words(text, begin, begin + length)


def mixture(one: str, other: str) -> str | None:
    """The first half of one note and the second half of another; None where either is too short."""
    if min(len(one), len(other)) < 2 * _LEAST:
        return None
    first, second = one.strip(), other.strip()
    return f"{_words(first, 0, len(first) // 2)}\n\n{_words(second, len(second) // 2, len(second))}"


def _words(text: str, begin: int, end: int) -> str:
    """The words from about `begin` to about `end`, whole where the text has words."""
    begin = word_end(text, begin - _LEAST // 2, begin) or begin
    return text[begin : word_end(text, begin, end) or end].strip()
