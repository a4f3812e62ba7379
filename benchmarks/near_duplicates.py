"""Time, memory and recall of the search for near-duplicates among many notes.

    python benchmarks/near_duplicates.py                    # 100,000 notes
    python benchmarks/near_duplicates.py --notes 20000 --recall
    pip install datasketch && python benchmarks/near_duplicates.py --datasketch

The notes are random words of an artificial vocabulary, 20 to 1,600 characters, a fifth of them in
Japanese script. Each arm prints one JSON line:

- `tenth`: a tenth of the notes are copies of others with a tenth of consecutive words replaced;
- `template`: all notes share two thirds of their text, so that every pair is proposed and few are confirmed;
- `one`: all notes differ only in a few letters and form one group.

`cpu_s` is the CPU time of both steps. `peak_gb` is the peak memory of the process so far, `texts_gb` the same
before the search begins. `--recall` compares all pairs of `tenth` and counts the near-duplicates that are
not in one group (up to about 20,000 notes); `--datasketch` indexes a tenth of the notes with that library.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence

from nightschool.notes.duplicates import near_duplicates, signatures

LENGTHS = (20, 60, 200, 600, 1600)


def make_words(chance: random.Random) -> tuple[list[str], list[str]]:
    def words(letters: str, longest: int) -> list[str]:
        return [
            "".join(chance.choices(letters, k=chance.randint(1, longest))) for _ in range(20_000)
        ]

    kana = "".join(map(chr, [*range(0x3042, 0x3094), *range(0x4E00, 0x5200)]))
    return words("abcdefghiklmnoprstuvwy", 9), words(kana, 4)


def make_note(chance: random.Random, words: tuple[list[str], list[str]]) -> list[str]:
    vocabulary = words[chance.random() < 0.2]
    size = sum(map(len, vocabulary[:100])) / 100
    return chance.choices(vocabulary, k=max(3, round(chance.choice(LENGTHS) / (size + 1))))


def joined(words: Sequence[str]) -> str:
    return ("" if words[0] > "\u3000" else " ").join(words)


def tenth(n: int, chance: random.Random) -> list[str]:
    words = make_words(chance)
    notes = [make_note(chance, words) for _ in range(n - n // 10)]
    for note in chance.choices(notes, k=n // 10):
        passage = max(1, len(note) // 10)
        at = chance.randrange(len(note))
        notes.append([*note[:at], *note[:passage][::-1], *note[at + passage :]])
    return [joined(note) for note in notes]


def template(n: int, chance: random.Random) -> list[str]:
    words, _ = make_words(chance)
    common = chance.choices(words, k=80)
    return [joined([*common, *chance.choices(words, k=20)]) for _ in range(n)]


def one(n: int, chance: random.Random) -> list[str]:
    words, _ = make_words(chance)
    common = chance.choices(words, k=100)
    return [joined([*common, str(number)]) for number in range(n)]


def peak_gb() -> float | None:
    """Peak memory of this process in GB; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def measure(make: Callable[[int, random.Random], list[str]], n: int) -> list[str]:
    texts = make(n, random.Random(0))
    before = peak_gb()
    begin = time.perf_counter(), time.process_time()
    signed = signatures(texts)
    middle = time.perf_counter()
    groups = near_duplicates(texts, signed=signed)
    end = time.perf_counter(), time.process_time()
    row = {
        "arm": make.__name__, "notes": n, "characters": sum(map(len, texts)),
        "signatures_s": middle - begin[0], "groups_s": end[0] - middle, "cpu_s": end[1] - begin[1],
        "groups": len(groups), "in_groups": sum(map(len, groups)), "texts_gb": before,
        "peak_gb": peak_gb(),
    }  # fmt: skip
    print(json.dumps(row), flush=True)
    return texts


def recall(texts: Sequence[str]) -> None:
    """Count, with an inverted index, the pairs above the threshold that are not in one group."""
    import numpy as np
    from scipy.sparse import csr_array

    from nightschool.notes.duplicates import THRESHOLD, _letters, _sets

    group = np.full(len(texts), -1)
    for number, members in enumerate(near_duplicates(texts)):
        group[members] = number
    sets = _sets([_letters(text) for text in texts])
    rows, hashes = (sets >> np.uint64(32)).astype(int), sets & np.uint64(2**32 - 1)
    _, columns = np.unique(hashes, return_inverse=True)
    index = csr_array((np.ones(len(rows), dtype=np.int32), (rows, columns)))
    sizes = index.sum(axis=1)
    pairs = lost = 0
    for begin in range(0, len(texts), 500):
        shared = (index[begin : begin + 500] @ index.T).tocoo()
        one, other = begin + shared.row, shared.col
        share = shared.data / (sizes[one] + sizes[other] - shared.data)
        near = (share >= THRESHOLD) & (one < other)
        pairs += int(near.sum())
        lost += int((near & ((group[one] != group[other]) | (group[one] < 0))).sum())
    print(json.dumps({"pairs": pairs, "not_in_one_group": lost}))


def datasketch(texts: Sequence[str]) -> None:
    from datasketch import MinHash, MinHashLSH

    from nightschool.notes.duplicates import _letters

    begin = time.process_time()
    shingles = [
        [letters[at : at + 5].encode() for at in range(max(1, len(letters) - 4))]
        for letters in map(_letters, texts)
    ]
    signed = MinHash.bulk(shingles, num_perm=128)
    index = MinHashLSH(threshold=0.7, num_perm=128)
    for number, minhash in enumerate(signed):
        index.insert(number, minhash)
    for minhash in signed:
        index.query(minhash)
    row = {"arm": "datasketch", "notes": len(texts), "cpu_s": time.process_time() - begin}
    print(json.dumps(row))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--notes", type=int, default=100_000)
    parser.add_argument("--recall", action="store_true")
    parser.add_argument("--datasketch", action="store_true")
    given = parser.parse_args()
    texts = measure(tenth, given.notes)
    if given.recall:
        recall(texts)
        return
    if given.datasketch:
        datasketch(texts[: given.notes // 10])
        return
    measure(template, given.notes)
    measure(one, given.notes)


if __name__ == "__main__":
    main()
