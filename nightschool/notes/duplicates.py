"""Near-duplicates: notes that share most of their text, proposed by MinHash and proved by Jaccard.

A note is the set of its shingles: the five characters around each letter, or three in scripts
without spaces (kana, kanji), where three say as much. Two notes are near-duplicates where their
sets overlap by `THRESHOLD` (Jaccard: what they share of all). To compare each with each would take
hours, so MinHash signatures in bands (Broder 1997; Leskovec, Rajaraman, Ullman: Mining of Massive
Datasets, chapter 3) propose pairs, and the sets decide. See benchmarks/near_duplicates.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nightschool.notes.components import Components
from nightschool.notes.decoding import normalise

# Of 568 real notes, edited copies share 0.82 and more, and what only follows the same template 0.54 and
# less. In English as in Japanese, a note of 120 characters and more that loses a fifth, or has a tenth
# written anew, keeps about 0.76 of its shingles, and one with a sixth written anew about 0.7.
THRESHOLD = 0.7
# Kept beside signatures that are kept: those of another version cannot be compared.
VERSION = "minhash-128x8-1"
_HASHES = 128
# 32 bands of 4: a pair that shares 0.7 has one in common with probability 1 - (1 - 0.7**4)**32 = 0.9998.
_BANDS = np.dtype("<u4")
# At 0.7 an estimate from 128 hashes has a standard deviation of 0.04: 3 of them below, nothing is proved.
_SLACK = 0.12
# Notes that follow one template propose every pair. So a note is compared with so many neighbours
# within a band, and found unlike so often, at most.
_NEIGHBOURS = 50
_MISSES = 20
# Characters hashed at a time: the arrays of a hash stay in the processor's cache.
_AT_ONCE = 1 << 17

_NO_LETTERS = re.compile(r"[\W_]+")
_MARGIN = " " * 4
# Odd random numbers, the same with every version of numpy.
_RANDOM = hashlib.shake_128(VERSION.encode()).digest(5 * 8 + _HASHES * 4)
_PLACES = np.frombuffer(_RANDOM[:40], dtype="<u8").astype(np.uint64) | np.uint64(1)
_FACTORS = np.frombuffer(_RANDOM[40:], dtype="<u4").astype(np.uint32) | np.uint32(1)

Signatures = NDArray[np.uint8]


def near_duplicates(
    texts: Sequence[str], threshold: float = THRESHOLD, signed: Signatures | None = None
) -> list[list[int]]:
    """Groups of two and more texts that hang together by near-duplicates, as ascending numbers.

    `signed`: the texts' `signatures`, where they are known already. The time is bounded whatever
    the texts are; where thousands follow one template, some of their pairs may be missed.
    """
    letters = [_letters(text) for text in texts]
    signed = _sign(letters) if signed is None else signed
    found = Components(len(texts))
    misses = np.zeros(len(texts), dtype=np.int64)
    for bands in signed.view(_BANDS).T:
        order = np.argsort(bands, kind="stable")
        inside = bands[order]
        for step in range(1, _NEIGHBOURS + 1):
            (at,) = np.nonzero(inside[step:] == inside[:-step])
            if not len(at):
                break
            pairs = np.stack([order[at], order[at + step]], axis=1)
            pairs = pairs[found.label[pairs[:, 0]] != found.label[pairs[:, 1]]]
            pairs = pairs[(misses[pairs] < _MISSES).all(axis=1)]
            pairs = pairs[_estimate(signed[pairs[:, 0]], signed[pairs[:, 1]]) > threshold - _SLACK]
            proved = _jaccard(letters, pairs) >= threshold
            np.add.at(misses, pairs[~proved], 1)
            for one, other in pairs[proved].tolist():
                found.join(one, other)
    return found.groups()


def alike(
    signed: Signatures, others: Signatures, threshold: float = THRESHOLD
) -> list[tuple[int, int]]:
    """Pairs (row of `signed`, row of `others`) that are near-duplicates by their signatures alone.

    For notes whose text is gone. At a true 0.7 the estimate is off by 0.04 (one standard deviation).
    """
    found: set[tuple[int, int]] = set()
    for bands, known in zip(signed.view(_BANDS).T, others.view(_BANDS).T, strict=True):
        order = np.argsort(known, kind="stable")
        inside = known[order]
        first, end = (np.searchsorted(inside, bands, side) for side in ("left", "right"))
        for step in range(_NEIGHBOURS):
            (rows,) = np.nonzero(first + step < end)
            if not len(rows):
                break
            matches = order[first[rows] + step]
            near = _estimate(signed[rows], others[matches]) >= threshold
            found.update(zip(rows[near].tolist(), matches[near].tolist(), strict=True))
    return sorted(found)


def signatures(texts: Sequence[str]) -> Signatures:
    """MinHash signatures, (texts, 128): of each minimum its lowest byte (Li and König 2010).

    They are the same on every system, and tell nothing of a text but which others are like it.
    """
    return _sign([_letters(text) for text in texts])


def _sign(letters: Sequence[str]) -> Signatures:
    signed = np.empty((len(letters), _HASHES), dtype=np.uint8)
    for begin, end in _batches([len(text) for text in letters]):
        hashes, starts = _shingles(letters[begin:end])
        permuted = np.empty_like(hashes)
        for column, factor in enumerate(_FACTORS):
            np.multiply(hashes, factor, out=permuted)
            signed[begin:end, column] = np.minimum.reduceat(permuted, starts) & np.uint32(255)
    return signed


def _estimate(one: Signatures, other: Signatures) -> NDArray[np.float64]:
    """Jaccard from signatures, (n, 128) each; one in 256 unequal bytes agrees by chance."""
    agree: NDArray[np.float64] = (one == other).mean(axis=1)
    return (agree * 256 - 1) / 255


def _jaccard(letters: Sequence[str], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of shingles that the texts of each pair, (pairs, 2), have in common: 0 to 1."""
    shares = np.empty(len(pairs))
    for begin, end in _batches([len(letters[one]) + len(letters[other]) for one, other in pairs]):
        one, other = (_sets([letters[n] for n in side]) for side in pairs[begin:end].T)
        shared = np.intersect1d(one, other, assume_unique=True)
        counts = [
            np.bincount((of >> np.uint64(32)).astype(np.int64), minlength=end - begin)
            for of in (one, other, shared)
        ]
        shares[begin:end] = counts[2] / (counts[0] + counts[1] - counts[2])
    return shares


def _sets(letters: Sequence[str]) -> NDArray[np.uint64]:
    """The distinct shingles of several texts: 32 bits for the text's number, 32 for the hash."""
    hashes, starts = _shingles(letters)
    counts = np.diff(starts, append=len(hashes))
    numbers = np.repeat(np.arange(len(letters), dtype=np.uint64), counts)
    sets: NDArray[np.uint64] = np.sort(
        (numbers << np.uint64(32)) | hashes
    )  # np.unique takes ten times as long
    first: NDArray[np.bool] = np.append(True, sets[1:] != sets[:-1])
    return sets[first]


def _shingles(letters: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """All shingles of the texts, hashed to 32 bits, and where those of each begin.

    One stands around each character and around two blanks before and after the text, so that an
    edit at either end counts as much as one in the middle.
    """
    raw = _MARGIN + _MARGIN.join(letters) + _MARGIN
    codes = np.frombuffer(raw.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    middle = codes[2:-2]
    dense = ((middle >= 0x2E80) & (middle < 0xD800)) | (middle >= 0x20000)
    mixed = (codes[:-4] * _PLACES[0] + codes[4:] * _PLACES[4]) * ~dense
    mixed += codes[1:-3] * _PLACES[1] + middle * _PLACES[2] + codes[3:-1] * _PLACES[3]
    mixed ^= mixed >> np.uint64(29)
    mixed *= _PLACES[0]
    lengths = np.array([len(text) + len(_MARGIN) for text in letters])
    return (mixed >> np.uint64(32)).astype(np.uint32), np.cumsum(lengths) - lengths


def _batches(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of texts with about `_AT_ONCE` characters together, as (begin, end)."""
    begin = total = 0
    for number, length in enumerate(lengths):
        total += length
        if total >= _AT_ONCE:
            yield begin, number + 1
            begin, total = number + 1, 0
    if begin < len(lengths):
        yield begin, len(lengths)


def _letters(text: str) -> str:
    """Letters and digits, with single blanks; all there is where a text has neither."""
    text = normalise(text)
    return _NO_LETTERS.sub(" ", text).strip() or text
