"""The words and phrases that many notes of a kind share."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from nightschool.notes.leak_candidates import Candidate, LeakForm, Token, phrase_weight, tokens

LEAST_GROUPS = 4
"""A candidate in fewer groups is not considered."""
_LEAST_SHARE = 0.3
_LONGEST = 40  # tokens
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
    """All n-grams that are in at least 30 % of the groups of some kind, and where they stand.

    Found level by level: of an n-gram that is frequent, all parts are (Agrawal & Srikant 1994).
    """

    def __init__(self, notes: Sequence[LabelledText], sizes: Mapping[str, int]) -> None:
        """`sizes` are the numbers of groups of each kind."""
        self.counts: Counts = {}
        self.tokens: list[list[Token]] = [tokens(note.text) for note in notes]
        self._places: list[dict[Candidate, list[tuple[int, int]]]] = [{} for _ in notes]
        least = {kind: max(LEAST_GROUPS, math.ceil(_LEAST_SHARE * n)) for kind, n in sizes.items()}
        # The n-grams of each note by the place of their first token.
        grams = [{place: token.text for place, token in enumerate(own)} for own in self.tokens]
        for length in range(1, _LONGEST + 1):
            counted = count(notes, (own.values() for own in grams))
            phrases = {
                gram: _phrase(gram)
                for gram, counts in counted.items()
                if any(n >= least[kind] for kind, n in counts.items())
            }
            if not phrases:
                break
            self.counts |= {phrase: counted[gram] for gram, phrase in phrases.items()}
            grams = [
                self._extended(number, own, phrases, length) for number, own in enumerate(grams)
            ]

    def _extended(
        self, number: int, grams: Mapping[int, str], phrases: Mapping[str, Candidate], length: int
    ) -> dict[int, str]:
        """Record the frequent n-grams of a note; returns those of one more token."""
        words, places = self.tokens[number], self._places[number]
        kept = {place: gram for place, gram in grams.items() if gram in phrases}
        for place, gram in kept.items():
            span = words[place].begin, words[place + length - 1].end
            places.setdefault(phrases[gram], []).append(span)
        return {
            place: f"{gram} {words[place + length].text}"
            for place, gram in kept.items()
            if place + 1 in kept
        }

    def places(self, number: int, candidate: Candidate) -> list[tuple[int, int]]:
        """Where a phrase stands in a note, as (begin, end) in characters."""
        return self._places[number].get(candidate, [])


def _phrase(gram: str) -> Candidate:
    is_phrase = phrase_weight(gram.split()) >= _PHRASE_WEIGHT
    return Candidate(LeakForm.PHRASE if is_phrase else LeakForm.WORD, gram)
