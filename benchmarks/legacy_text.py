"""In which encodings text is read right, is called unsure or unknown, or is silently misread.

    python benchmarks/legacy_text.py [--sentences FILE] [--detail]

The sentences (20 in each of 21 languages, written for this measurement and not used to tune anything) are
encoded as their language's line in `legacy_text.txt` says, 1, 3 and 20 at a time, and decoded. Prints a
Markdown table with a row for each encoding, per cent "right / said / silently wrong", and in brackets what part
of the said was read right all the same; then each confusion. Texts that are ASCII in the encoding are left out.
"""

from __future__ import annotations

import argparse
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from nightschool.notes.decoding import Undecodable, decode
from nightschool.notes.trouble import TroubleType

SENTENCES = Path(__file__).with_name("legacy_text.txt")
LENGTHS = (1, 3, 20)
UNICODE = ("utf_8", "utf_16_le", "utf_16_be")


def languages(file: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each language, its legacy encodings, and its sentences."""
    for part in file.read_text("utf-8").split("[")[1:]:
        head, _, rest = part.partition("]")
        name, *encodings = head.split()
        yield name, encodings, [line for line in rest.splitlines() if line]


def encoded(text: str, encoding: str) -> bytes:
    """Encode; cp1258 has the tones of Vietnamese as marks behind their letter."""
    return b"".join(map(_cp1258, text)) if encoding == "cp1258" else text.encode(encoding)


def _cp1258(char: str) -> bytes:
    try:
        return char.encode("cp1258")
    except UnicodeEncodeError:
        letter, *marks = list(unicodedata.normalize("NFD", char))
        of_letter = [mark for mark in marks if mark in "\u0302\u0306\u031b"]
        tones = [mark for mark in marks if mark not in of_letter]
        whole = unicodedata.normalize("NFC", "".join([letter, *of_letter]))
        return "".join([whole, *tones]).encode("cp1258")


def samples(sentences: list[str], length: int) -> Iterator[str]:
    """Texts of `length` sentences, each beginning with another one; all sentences are one text."""
    starts = range(len(sentences)) if length < len(sentences) else range(1)
    for start in starts:
        yield "\n".join((sentences + sentences)[start : start + length])


def outcome(text: str, encoding: str) -> tuple[str, str]:
    """ "right", "wrong", or what was said ("said, right", "said, wrong"), and the encoding that was named."""
    try:
        decoded = decode(encoded(text, encoding))
    except Undecodable as error:
        return "said, wrong", str(error.reason)
    is_right = unicodedata.normalize("NFC", decoded.text) == text
    said = [trouble.detail for trouble in decoded.troubles]
    verdict = "right" if is_right else "wrong"
    if not said:
        return verdict, "" if is_right else decoded.text[:20].replace("\n", " ")
    is_unsure = any(each.type == TroubleType.UNSURE_ENCODING for each in decoded.troubles)
    return f"said, {verdict}", said[0] if is_unsure else "broken"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sentences", type=Path, default=SENTENCES)
    parser.add_argument("--detail", action="store_true", help="list each confusion")
    options = parser.parse_args()
    counts: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    confusions: Counter[tuple[str, str, int, str, str]] = Counter()
    for language, encodings, sentences in languages(options.sentences):
        for encoding in (*UNICODE, *encodings):
            for length in LENGTHS:
                for text in samples(sentences, length):
                    if encoding == "cp850":  # which has no œ
                        text = text.replace("œ", "oe")
                    if encoded(text, encoding).isascii() and encoding != "iso2022_jp":
                        continue
                    verdict, named = outcome(text, encoding)
                    for row in (encoding, "all"):
                        counts[row, length][verdict] += 1
                    if verdict.endswith("wrong"):
                        confusions[language, encoding, length, verdict, named] += 1
    print("| encoding | " + " | ".join(f"{n} sentence{'s' * (n > 1)}" for n in LENGTHS) + " |")
    print("|---" * (1 + len(LENGTHS)) + "|")
    for row in sorted({row for row, _ in counts}):
        print(f"| {row} | " + " | ".join(cell(counts[row, length]) for length in LENGTHS) + " |")
    for (language, encoding, length, verdict, named), count in confusions.most_common():
        if options.detail or verdict == "wrong":
            print(f"{language} {encoding} {length}: {verdict}, {named}: {count}")


def cell(count: Counter[str]) -> str:
    """'93 / 7 (5) / 0', in per cent."""
    total = count.total() or 1
    kept = round(100 * count["said, right"] / total)
    said = round(100 * (count["said, right"] + count["said, wrong"]) / total)
    more = f" ({kept})" if kept else ""
    return (
        f"{round(100 * count['right'] / total)} / {said}{more} / {100 * count['wrong'] / total:.3g}"
    )


if __name__ == "__main__":
    main()
