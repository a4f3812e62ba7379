"""Near-duplicates: notes that share most of their text, found by MinHash and confirmed by Jaccard.

A note is the set of its shingles: the five characters around each letter, or three in scripts
without spaces (kana, kanji), where three carry as much information. Two notes are near-duplicates if
the Jaccard similarity of their sets (intersection over union) is at least `THRESHOLD`. Comparing all
pairs would take hours, so MinHash signatures in bands (Broder 1997; Leskovec, Rajaraman, Ullman:
Mining of Massive Datasets, chapter 3) propose pairs, and the sets decide. Measured by
benchmarks/near_duplicates.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nightschool.notes.components import Components
from nightschool.notes.identity import normalise

# Among 568 real notes, edited copies have 0.82 or more, notes of one template 0.54 or less. In English
# and Japanese, a note of 120 characters or more keeps about 0.76 of its shingles if it loses a fifth or
# a tenth is rewritten, and about 0.7 if a sixth is rewritten.
THRESHOLD = 0.7
# Stored with signatures; those of another version cannot be compared.
VERSION = "minhash-128x8-1"
_HASHES = 128
# 32 bands of 4: a pair at 0.7 has a band in common with probability 1 - (1 - 0.7**4)**32 = 0.9998.
_BANDS = np.dtype("<u4")
# At 0.7 the estimate from 128 hashes has a standard deviation of 0.04; the slack is 3 of them.
_SLACK = 0.12
# Thousands of notes of one template would propose every pair, so the comparisons of a note are limited:
_MAX_NEIGHBOURS = 50  # within a band
_MAX_MISSES = 20  # pairs that are not near-duplicates
# Characters hashed at a time, so that the arrays stay in the processor's cache.
_BATCH_CHARACTERS = 1 << 17

_NO_LETTERS = re.compile(r"[\W_]+")
_MARGIN = " " * 4
# Odd random numbers that do not depend on numpy's version.
_RANDOM = hashlib.shake_128(VERSION.encode()).digest(5 * 8 + _HASHES * 4)
_PLACES = np.frombuffer(_RANDOM[:40], dtype="<u8").astype(np.uint64) | np.uint64(1)
_FACTORS = np.frombuffer(_RANDOM[40:], dtype="<u4").astype(np.uint32) | np.uint32(1)

Signatures = NDArray[np.uint8]


def near_duplicates(
    texts: Sequence[str], threshold: float = THRESHOLD, signed: Signatures | None = None
) -> list[list[int]]:
    """Groups of two or more texts that are connected by near-duplicates, as ascending positions.

    `signed` are the texts' `signatures`, if they are known. The time is bounded for any texts; if
    thousands follow one template, some of their pairs may be missed.
    """
    letters = [_letters(text) for text in texts]
    signed = _sign(letters) if signed is None else signed
    components = Components(len(texts))
    misses = np.zeros(len(texts), dtype=np.int64)
    for bands in signed.view(_BANDS).T:
        order = np.argsort(bands, kind="stable")
        inside = bands[order]
        for step in range(1, _MAX_NEIGHBOURS + 1):
            (at,) = np.nonzero(inside[step:] == inside[:-step])
            if not len(at):
                break
            pairs = np.stack([order[at], order[at + step]], axis=1)
            pairs = pairs[components.label[pairs[:, 0]] != components.label[pairs[:, 1]]]
            pairs = pairs[(misses[pairs] < _MAX_MISSES).all(axis=1)]
            pairs = pairs[_estimate(signed[pairs[:, 0]], signed[pairs[:, 1]]) > threshold - _SLACK]
            confirmed = _jaccard(letters, pairs) >= threshold
            np.add.at(misses, pairs[~confirmed], 1)
            for one, other in pairs[confirmed].tolist():
                components.join(one, other)
    return components.groups()


def alike(
    signed: Signatures, others: Signatures, threshold: float = THRESHOLD
) -> list[tuple[int, int]]:
    """Pairs (row of `signed`, row of `others`) that are near-duplicates according to their signatures.

    For notes whose text is gone. At 0.7 the estimate has a standard deviation of 0.04.
    """
    pairs: set[tuple[int, int]] = set()
    for bands, known in zip(signed.view(_BANDS).T, others.view(_BANDS).T, strict=True):
        order = np.argsort(known, kind="stable")
        inside = known[order]
        first, end = (np.searchsorted(inside, bands, side) for side in ("left", "right"))
        for step in range(_MAX_NEIGHBOURS):
            (rows,) = np.nonzero(first + step < end)
            if not len(rows):
                break
            matches = order[first[rows] + step]
            near = _estimate(signed[rows], others[matches]) >= threshold
            pairs.update(zip(rows[near].tolist(), matches[near].tolist(), strict=True))
    return sorted(pairs)


def signatures(texts: Sequence[str]) -> Signatures:
    """MinHash signatures, shape (texts, 128): the lowest byte of each minimum (Li and König 2010).

    They are the same on every system, and reveal nothing of a text but which others resemble it.
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
    """Jaccard similarity from signatures, (n, 128) each; unequal bytes agree by chance once in 256."""
    agree: NDArray[np.float64] = (one == other).mean(axis=1)
    return (agree * 256 - 1) / 255


def _jaccard(letters: Sequence[str], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Jaccard similarity (0 to 1) of the texts of each pair; `pairs` has shape (pairs, 2)."""
    shares = np.empty(len(pairs))
    for begin, end in _batches([len(letters[one]) + len(letters[other]) for one, other in pairs]):
        one, other = (_sets([letters[n] for n in column]) for column in pairs[begin:end].T)
        shared = np.intersect1d(one, other, assume_unique=True)
        counts = [
            np.bincount((of >> np.uint64(32)).astype(np.int64), minlength=end - begin)
            for of in (one, other, shared)
        ]
        shares[begin:end] = counts[2] / (counts[0] + counts[1] - counts[2])
    return shares


def _sets(letters: Sequence[str]) -> NDArray[np.uint64]:
    """The distinct shingles of several texts, sorted: 32 bits for the text's position, 32 for the hash."""
    hashes, starts = _shingles(letters)
    counts = np.diff(starts, append=len(hashes))
    numbers = np.repeat(np.arange(len(letters), dtype=np.uint64), counts)
    sets: NDArray[np.uint64] = np.sort(
        (numbers << np.uint64(32)) | hashes
    )  # np.unique takes ten times as long
    first: NDArray[np.bool] = np.append(True, sets[1:] != sets[:-1])
    return sets[first]


def _shingles(letters: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """All shingles of the texts, hashed to 32 bits, and the position where those of each text begin.

    There is one around each character and around two blanks before and after the text, so that an
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
    """Consecutive texts of about `_BATCH_CHARACTERS` in total, as (begin, end)."""
    begin = total = 0
    for number, length in enumerate(lengths):
        total += length
        if total >= _BATCH_CHARACTERS:
            yield begin, number + 1
            begin, total = number + 1, 0
    if begin < len(lengths):
        yield begin, len(lengths)


def _letters(text: str) -> str:
    """Letters and digits, separated by single blanks; the whole text if it has neither."""
    text = normalise(text)
    return _NO_LETTERS.sub(" ", text).strip() or text
