"""The words and phrases that many notes of a kind share."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from nightschool.notes.leak_candidates import (
    Candidate,
    LeakForm,
    Occurrence,
    Token,
    phrase_weight,
    tokens,
)

LEAST_GROUPS = 4
"""A candidate in fewer groups is not considered."""
_LEAST_SHARE = 0.3
_LONGEST = 16  # tokens
_PHRASE_WEIGHT = 10  # five words, or ten characters of a script without spaces

Counts = dict[Candidate, Counter[str]]
"""In how many groups of each kind each candidate is."""
_T = TypeVar("_T", Candidate, str)


class LabelledText(NamedTuple):
    """A note with its kind, its group, and the name of its source."""

    text: str
    kind: str
    group: int | str
    source: str = ""


def count(notes: Sequence[LabelledText], found: Iterable[Iterable[_T]]) -> dict[_T, Counter[str]]:
    """In how many groups of each kind is what was `found` in each note."""
    by_group: dict[tuple[str, int | str], set[_T]] = defaultdict(set)
    for note, own in zip(notes, found, strict=True):
        by_group[note.kind, note.group].update(own)
    counts: dict[_T, Counter[str]] = defaultdict(Counter)
    for (kind, _), members in by_group.items():
        for each in members:
            counts[each][kind] += 1
    return counts


class SharedPhrases:
    """The n-grams that are in at least 30 % of the groups of some kind.

    Found level by level: of an n-gram that is frequent, all parts are (Agrawal & Srikant 1994). A part that is
    in no other notes than the longer n-gram is left out.
    """

    def __init__(self, notes: Sequence[LabelledText], sizes: Mapping[str, int]) -> None:
        """`sizes` are the numbers of groups of each kind."""
        self.tokens: list[list[Token]] = [tokens(note.text) for note in notes]
        least = {kind: max(LEAST_GROUPS, math.ceil(_LEAST_SHARE * n)) for kind, n in sizes.items()}
        # The n-grams of each note by the place of their first token.
        grams = [{place: token.text for place, token in enumerate(own)} for own in self.tokens]
        found: dict[str, Counter[str]] = {}
        for length in range(1, _LONGEST + 1):
            frequent = {
                gram: counts
                for gram, counts in count(notes, (own.values() for own in grams)).items()
                if any(n >= least[kind] for kind, n in counts.items())
            }
            for gram, counts in frequent.items():
                for part in (gram.rpartition(" ")[0], gram.partition(" ")[2]):
                    if found.get(part) == counts:
                        del found[part]
            found |= frequent
            grams = [
                _extended(
                    {place: gram for place, gram in own.items() if gram in frequent}, words, length
                )
                for own, words in zip(grams, self.tokens, strict=True)
            ]
            if not any(grams):
                break
        self.counts: Counts = {_phrase(gram): counts for gram, counts in found.items()}

    def places(self, number: int, wanted: Mapping[str, Candidate]) -> Iterator[Occurrence]:
        """Where phrases, by their texts, stand in a note."""
        words = self.tokens[number]
        for length in {gram.count(" ") + 1 for gram in wanted}:
            for first, last in zip(range(len(words)), range(length - 1, len(words)), strict=False):
                gram = " ".join(word.text for word in words[first : last + 1])
                if gram in wanted:
                    yield Occurrence(wanted[gram], words[first].begin, words[last].end)


def _extended(kept: Mapping[int, str], words: Sequence[Token], length: int) -> dict[int, str]:
    """The n-grams of one more token whose parts are both kept, of a note's n-grams of this length."""
    return {
        place: f"{gram} {words[place + length].text}"
        for place, gram in kept.items()
        if place + 1 in kept
    }


def _phrase(gram: str) -> Candidate:
    is_phrase = phrase_weight(gram.split()) >= _PHRASE_WEIGHT
    return Candidate(LeakForm.PHRASE if is_phrase else LeakForm.WORD, gram)
