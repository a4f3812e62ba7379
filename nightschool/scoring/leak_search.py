"""Searches labelled notes for what gives their kinds away.

A candidate (`notes.leak_candidates`) is a leak of a kind if

1. it is in more of the kind's notes than of the others, beyond chance: Fisher's exact test, one-sided, at
   1 % for all candidates together (Bonferroni; only those count that are frequent enough to be
   significant at all: Tarone 1990, "A modified Bonferroni method for discrete data");
2. it is in many of them: the lower bound of its share of the kind's notes (Wilson, 95 %) is at least 25 %;
   10 % if it holds a name of the kind; 60 % if it is but a word or a few;
3. it is in hardly any other: its share of the others is at most a fifth of that (with a name of the kind a
   third, for words a twentieth), and the lower bound of the difference of the shares (Newcombe 1998, method
   10, 95 %) is at least 12, 6 or 50 points;
4. it is not the note itself: in most notes that have it, it is less than half of the text.

A group (near-duplicates, notes of one file or source) counts as one note.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.stats import hypergeom

from nightschool.notes.leak_candidates import (
    LONGEST_LINE,
    Candidate,
    LeakForm,
    names_kind,
    occurrences,
)
from nightschool.scoring.leak_phrases import (
    LEAST_GROUPS,
    Counts,
    LabelledText,
    SharedPhrases,
    count,
)
from nightschool.stats.intervals import wilson

MOST_NOTES = 2000
_MOST_LEAKS = 300
_LEVEL = 0.01
_SIMILAR = 0.03
"""Candidates whose differences of shares are this close are equally telling."""
# In shorter notes, nearly every one holds the word for its subject.
_LEAST_TOKENS = 25
_FORMS = list(LeakForm)
_SENTENCE_ENDS = ".!?。！？"

Spans = list[tuple[int, int]]
"""Places in a text, as (begin, end) in characters."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """The least lower bounds of the share of the kind's notes and of its difference to the share of the
    others, and the least ratio of the two shares."""

    share: float
    difference: float
    ratio: float


_NAMED, _SET_APART, _WORD = _Rule(0.1, 0.06, 3), _Rule(0.25, 0.12, 5), _Rule(0.6, 0.5, 20)


@dataclass(frozen=True, slots=True)
class FoundLeak:
    """A leak of a kind, and its places by the number of the note; `telling` are those of all candidates
    on the same lines."""

    candidate: Candidate
    kind: str
    places: Mapping[int, Spans]
    telling: Mapping[int, Spans]


def sample(kinds: Sequence[str], most: int = MOST_NOTES) -> list[int]:
    """The numbers of the notes to search: all, or `most`, of which rare kinds keep a larger share."""
    if len(kinds) <= most:
        return list(range(len(kinds)))
    numbers = random.Random(0).sample(range(len(kinds)), len(kinds))
    seen: Counter[str] = Counter()
    ranks: dict[int, int] = {}
    for number in numbers:
        ranks[number] = seen[kinds[number]]
        seen[kinds[number]] += 1
    return sorted(sorted(numbers, key=ranks.__getitem__)[:most])


def find_leaks(
    notes: Sequence[LabelledText], names: Mapping[str, Collection[str]]
) -> list[FoundLeak]:
    """The leaks of all kinds, the most telling first; `names` are further names of kinds.

    Each place in a text belongs to one leak. Time is linear in the length of the texts.
    """
    return _Search(notes, names).found()


class _Search:
    """The candidates of some notes, and the numbers that they are judged by."""

    def __init__(self, notes: Sequence[LabelledText], names: Mapping[str, Collection[str]]) -> None:
        self.notes = notes
        self.sizes = Counter(kind for kind, _ in {(note.kind, note.group) for note in notes})
        self.total = self.sizes.total()
        self.names = {kind: (kind, *names.get(kind, ())) for kind in self.sizes}
        self.places: dict[Candidate, dict[int, Spans]] = {}

    def found(self) -> list[FoundLeak]:
        if len(self.sizes) < 2:
            return []
        set_apart = count(
            self.notes, ((each.candidate for each in occurrences(n.text)) for n in self.notes)
        )
        phrases = SharedPhrases(self.notes, self.sizes)
        lengths: dict[str, list[int]] = defaultdict(list)
        for note, own in zip(self.notes, phrases.tokens, strict=True):
            lengths[note.kind].append(len(own))
        short = {kind for kind, own in lengths.items() if median(own) < _LEAST_TOKENS}
        passed = {**self._passing(set_apart, set()), **self._passing(phrases.counts, short)}
        if not passed:
            return []
        self._locate(passed, phrases)
        return list(self._chosen(passed))

    def _rule(self, candidate: Candidate, kind: str) -> _Rule | None:
        """What a candidate has to fulfil; None if it can be no leak."""
        if candidate.form is LeakForm.WORD:
            return _WORD
        if names_kind(candidate.text, self.names[kind]):
            return _NAMED
        return None if candidate.form is LeakForm.NAME else _SET_APART

    def _passing(self, counts: Counts, short: Collection[str]) -> dict[Candidate, str]:
        """The candidates that fulfil rules 1 to 3, with their kinds; no words of kinds with `short` notes."""
        frequent = {c: own for c, own in counts.items() if own.total() >= LEAST_GROUPS}
        large: dict[Candidate, str] = {}
        for candidate, own in frequent.items():
            # The share, lower for a kind of one or two notes.
            kind = max(own, key=lambda kind: (own[kind] / (self.sizes[kind] + 2), kind))
            is_topic = candidate.form is LeakForm.WORD and kind in short
            if not is_topic and self._is_large(candidate, kind, own[kind], own.total()):
                large[candidate] = kind
        if not large:
            return {}
        # Candidates that are in equally many notes of each kind are taken as one.
        patterns = {tuple(sorted(own.items())) for own in frequent.values()}
        level = _LEVEL / 2 / self._tests([sum(n for _, n in pattern) for pattern in patterns])
        return {
            candidate: kind
            for candidate, kind in large.items()
            if hypergeom.sf(
                counts[candidate][kind] - 1, self.total, self.sizes[kind], counts[candidate].total()
            )
            <= level
        }

    def _tests(self, totals: Sequence[int]) -> int:
        """By what the level is divided: the least k such that at most k tests can reach a k-th of it."""
        drawn, times = np.unique(totals, return_counts=True)
        sizes, kinds = np.unique(list(self.sizes.values()), return_counts=True)
        most = np.minimum(drawn[:, None], sizes) - 1
        attainable = hypergeom.sf(most, self.total, sizes, drawn[:, None])
        smallest = np.repeat(attainable.ravel(), np.outer(times, kinds).ravel())
        smallest.sort()
        k = np.arange(1, len(smallest))
        enough = np.nonzero(smallest[1:] > _LEVEL / 2 / k)[0]
        return int(k[enough[0]]) if len(enough) else len(smallest)

    def _is_large(self, candidate: Candidate, kind: str, found: int, anywhere: int) -> bool:
        """Whether it fulfils rules 2 and 3: in `found` groups of the kind, and in `anywhere` of all."""
        rule = self._rule(candidate, kind)
        of, others = self.sizes[kind], self.total - self.sizes[kind]
        share, other_share = found / of, (anywhere - found) / others
        if rule is None or share < max(rule.share, rule.ratio * other_share):
            return False
        low, high = wilson(found, of)[0], wilson(anywhere - found, others)[1]
        spread = math.hypot(share - low, high - other_share)
        return low >= rule.share and share - other_share - spread >= rule.difference

    def _locate(self, passed: Mapping[Candidate, str], phrases: SharedPhrases) -> None:
        """Find the places of each candidate."""
        self.places = {candidate: {} for candidate in passed}
        grams = {c.text: c for c in passed if c.form in (LeakForm.WORD, LeakForm.PHRASE)}
        for number, note in enumerate(self.notes):
            for found in (occurrences(note.text), phrases.places(number, grams)):
                for candidate, begin, end in found:
                    if candidate in passed:
                        self.places[candidate].setdefault(number, []).append((begin, end))

    def _chosen(self, passed: Mapping[Candidate, str]) -> Iterator[FoundLeak]:
        """The most telling candidate with all others on its lines; then the same of what is left."""
        ranks = {c: self._rank(c, kind) for c, kind in passed.items() if not self._is_note(c, kind)}
        on_line = self._by_line(ranks)
        for _ in range(_MOST_LEAKS):
            if not ranks:
                return
            best = max(ranks, key=ranks.__getitem__)
            del ranks[best]
            kind = passed[best]
            places = dict(sorted(self.places[best].items()))
            telling = {n: list(spans) for n, spans in places.items()}
            touched: set[Candidate] = set()
            for n, spans in places.items():
                text = self.notes[n].text
                areas = [_line_around(text, *span) for span in spans]
                for other in {c for b, _ in spans for c in on_line[n, _line_begin(text, b)]}:
                    if other in ranks and passed[other] == kind:
                        inside = self._take(n, areas, other)
                        telling[n] += inside
                        touched |= {other} if inside else set()
            for other in touched:
                del ranks[other]
                if self._remains(other, kind):
                    ranks[other] = self._rank(other, kind)
            yield FoundLeak(best, kind, places, {n: merged(telling[n]) for n in telling})

    def _by_line(self, candidates: Iterable[Candidate]) -> dict[tuple[int, int], set[Candidate]]:
        """The candidates that begin or end on a line, by the number of the note and the line's begin."""
        found: dict[tuple[int, int], set[Candidate]] = defaultdict(set)
        for candidate in candidates:
            for n, spans in self.places[candidate].items():
                for place in {place for span in spans for place in span}:
                    found[n, _line_begin(self.notes[n].text, place)].add(candidate)
        return found

    def _take(self, number: int, areas: Spans, candidate: Candidate) -> Spans:
        """Remove the places of a candidate in a note that overlap with these areas; returns them."""
        places = self.places[candidate]
        inside: Spans = []
        outside: Spans = []
        for begin, end in places.get(number, ()):
            overlaps = any(begin < stop and start < end for start, stop in areas)
            (inside if overlaps else outside).append((begin, end))
        places[number] = outside
        if not outside:
            del places[number]
        return inside

    def _groups(self, candidate: Candidate, kind: str) -> tuple[int, int]:
        """The groups of the kind, and of all kinds, that have a candidate."""
        groups = {(self.notes[n].kind, self.notes[n].group) for n in self.places[candidate]}
        return sum(own == kind for own, _ in groups), len(groups)

    def _remains(self, candidate: Candidate, kind: str) -> bool:
        """Whether a candidate is a leak by rules 2 and 3 with the places that it has now."""
        return self._is_large(candidate, kind, *self._groups(candidate, kind))

    def _is_note(self, candidate: Candidate, kind: str) -> bool:
        """Whether it is half of the text or more in most of the kind's notes that have it: rule 4."""
        shares = [
            sum(end - begin for begin, end in spans) / len(self.notes[n].text.strip())
            for n, spans in self.places[candidate].items()
            if self.notes[n].kind == kind
        ]
        return median(shares) >= 0.5

    def _rank(self, candidate: Candidate, kind: str) -> tuple[bool, int, int, int, Candidate]:
        """What makes a candidate more telling than another; words come last, for they may be topics."""
        found, anywhere = self._groups(candidate, kind)
        of = self.sizes[kind]
        gain = found / of - (anywhere - found) / (self.total - of)
        return (
            candidate.form is not LeakForm.WORD,
            round(gain / _SIMILAR),
            -_FORMS.index(candidate.form),
            len(candidate.text),
            candidate,
        )


def merged(spans: Spans) -> Spans:
    """The same places in order, those that overlap as one."""
    joined: Spans = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def _line_begin(text: str, place: int) -> int:
    return text.rfind("\n", 0, place) + 1


def _line_around(text: str, begin: int, end: int) -> tuple[int, int]:
    """The line of a place; of a long one, its sentence."""
    first, last = _line_begin(text, begin), text.find("\n", end)
    last = len(text) if last < 0 else last
    if last - first <= LONGEST_LINE:
        return first, last
    first = max(first, *(text.rfind(mark, first, begin) + 1 for mark in _SENTENCE_ENDS))
    ends = [at + 1 for mark in _SENTENCE_ENDS if (at := text.find(mark, end - 1, last)) >= 0]
    return first, min([last, *ends])
