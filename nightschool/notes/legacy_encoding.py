"""Which legacy encoding bytes are in: by a detector's statistics, and by how each reading looks.

chardet scores each encoding by the pairs of bytes of a language. Where its scores are close, letters that the
language does not have, symbols or capitals within a word, and two scripts in one word decide. What is still
close is called unsure.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass

from nightschool.notes.alphabets import ALPHABETS, is_out_of_place, script
from nightschool.notes.frequent_characters import KANA, count, is_frequent_japanese
from nightschool.notes.languages import language

# The encodings that were in use for notes: those of Windows, of the web, of DOS and of the old Macintosh.
# chardet's names; they are Python's, too, except for one.
_ENCODINGS = [
    *("cp932", "euc_jis_2004", "cp949", "gb18030", "big5hkscs"),
    *("cp874", *(f"cp{number}" for number in range(1250, 1259))),
    *("iso8859-2", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8", "iso8859-13", "iso8859-15"),
    *("koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "cp850", "cp852", "cp857", "cp866"),
]
_CODECS = {"euc_jis_2004": "euc_jp"}
_NONE = "ascii"  # chardet's answer if none fits
_JAPANESE_ENCODINGS = ("cp932", "euc_jp")
_MULTI_BYTE = {*_JAPANESE_ENCODINGS, "cp949", "gb18030", "big5hkscs"}
_SAMPLE = 100_000  # bytes
_JUDGED = 2000  # characters other than ASCII
_NAMED = 6  # candidates of which the language is determined
# A reading is sure from this score, by the number of its characters other than ASCII, if no other has more than
# four fifths of it (tuned on translated messages of programs, see docs/lab-log.md).
_MIN_SCORE = ((40, 0.28), (16, 0.18), (8, 0.12), (0, 0.1))
_RIVAL = 0.8
# Between encodings of one language, one letter that it does not have decides; between others, two.
_MORE_OUT_OF_PLACE = (1, 2)
_MOST_OUT_OF_PLACE = 0.1  # share of the characters other than ASCII; one may always be
_MIN_OF_FEW_WIDE = 0.2  # of up to three ideographs or syllables
_VARIOUS = 5  # different letters
_MISSPELT = 0.02
_LOWEST_SCORE = 0.002  # of a reading that is worth a warning
_THIN = 0.06  # a score that says hardly anything
# Characters other than ASCII: so many prove nothing, and so many are a word or two.
_FEW, _SHORT = 3, 8
_USUAL = "’‘“”„–—…•€«»°·©®™£§½¼±×²³"
# Of Japanese notes, half and more is kana.
_MIN_KANA = 0.2
# The bytes of hiragana in EUC-JP are frequent Chinese characters in Big5.
_FEWEST_KANA = {"cp932": 2, "euc_jp": 3}
# For a few kanji, chardet's Chinese and Korean are often wrong, and Big5 never.
_MIN_OF_BEST = {"cp949": 0.45, "big5hkscs": 1.0}
_KANJI = re.compile("[\u4e00-\u9fff]")
# Kana, kanji, Japanese punctuation, full-width letters and digits.
_JAPANESE = re.compile("[\u3001-\u30ff\u4e00-\u9fff\uff01-\uff5e]")


@dataclass(frozen=True, slots=True)
class DetectedEncoding:
    """The encoding of bytes, and whether the evidence is clear."""

    encoding: str
    is_sure: bool


@dataclass(frozen=True, slots=True)
class _Candidate:
    encoding: str
    text: str
    language: str
    confidence: float
    """Of chardet, from 0 to 1; the shorter the text, the lower."""
    out_of_place: int
    foreign: int
    """Characters other than ASCII that were judged."""

    @property
    def score(self) -> float:
        return self.confidence * (1 - self.out_of_place / max(1, self.foreign)) ** 2


def detect(raw: bytes) -> DetectedEncoding | None:
    """The encoding of bytes that are neither ASCII nor Unicode; None if it cannot be told."""
    sample = _sample(raw)
    japanese = _with_kana(sample)
    if japanese:
        return DetectedEncoding(japanese, True)
    candidates = _candidates(sample)
    best = candidates[0] if candidates else None
    is_sure = best is not None and _is_sure(best, candidates[1:])
    short = _kanji_only(sample, candidates) or ("" if is_sure else _few_accents(sample, best))
    if short:
        return DetectedEncoding(short, False)
    if best is None or best.score < _LOWEST_SCORE:
        return None
    if not is_sure and _is_of_two_scripts(best, candidates[1:]):
        return None
    return DetectedEncoding(best.encoding, is_sure)


def fits_a_language(text: str) -> bool:
    """Whether, in a text mostly in ASCII letters, the other letters are all of one language."""
    letters = {char.lower() for char in text if char > "\x7f" and char.isalpha()}
    latin = sum(char.isascii() and char.isalpha() for char in text)
    fits = any(letters <= {*alphabet} for alphabet in ALPHABETS.values())
    return bool(letters) and fits and 2 * latin > len(text)


def _sample(raw: bytes) -> bytes:
    """The part of a long text that begins with the first line that is not ASCII."""
    if len(raw) <= _SAMPLE:
        return raw
    first = re.search(rb"[\x80-\xff]", raw)
    start = raw.rfind(b"\n", 0, first.start()) + 1 if first else 0
    return raw[start : start + _SAMPLE]


def _read(sample: bytes, encoding: str) -> str | None:
    """Decode; a character that is cut off at the end is left out."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        return decoder.decode(sample, final=len(sample) < _SAMPLE)
    except UnicodeDecodeError:
        return None


def _candidates(sample: bytes) -> list[_Candidate]:
    """The encodings that fit, the most likely one first."""
    import chardet  # lazy: chardet

    found: list[_Candidate] = []
    best = 0.0
    for result in chardet.detect_all(
        sample.replace(b"\0", b""),
        compat_names=False,
        include_encodings=[*_ENCODINGS, _NONE],
        ignore_threshold=True,
        no_match_encoding=_NONE,
    ):
        name, confidence = result["encoding"] or "", result["confidence"]
        encoding = _CODECS.get(name, name)
        is_hopeless = confidence <= _RIVAL * best and encoding not in _JAPANESE_ENCODINGS
        text = None if is_hopeless or name not in _ENCODINGS else _read(sample, encoding)
        if text is None:
            continue
        of = result["language"] or ""
        if encoding not in _MULTI_BYTE and len(found) < _NAMED:
            named = language(text)
            of = named if named in ALPHABETS else of
        candidate = _Candidate(encoding, text, of, confidence, *_out_of_place(text, of))
        found.append(candidate)
        best = max(best, candidate.score)
    return sorted(found, key=lambda candidate: -candidate.score)


def _out_of_place(text: str, of: str) -> tuple[int, int]:
    """How many characters other than ASCII do not fit, and how many there are, up to 2,000."""
    odd = foreign = 0
    for match in re.finditer(r"[^\x00-\x7f]", text):
        if foreign == _JUDGED:
            break
        foreign += 1
        index = match.start()
        before, behind = text[index - 1 : index] or " ", text[index + 1 : index + 2] or " "
        odd += is_out_of_place(before, match[0], behind, of)
    return odd, foreign


def _is_sure(best: _Candidate, others: list[_Candidate]) -> bool:
    lowest = next(score for foreign, score in _MIN_SCORE if best.foreign >= foreign)
    if best.encoding in _MULTI_BYTE and best.foreign <= _FEW:
        lowest = _MIN_OF_FEW_WIDE
    if best.score < lowest and not _is_well_spelt(best) and not _is_plain_english(best):
        return False
    if best.foreign <= _FEW and not _is_usual(best):
        return False
    if best.foreign <= _SHORT and _is_foreign_word(best):
        return False
    if best.out_of_place > max(1, _MOST_OUT_OF_PLACE * best.foreign):
        return False
    return not any(_is_rival(other, best) for other in others)


def _is_foreign_word(candidate: _Candidate) -> bool:
    """Whether there is a word or two of another alphabet in a text in ASCII letters."""
    latin = sum(char.isascii() and char.isalpha() for char in candidate.text)
    return latin > candidate.foreign and _main_script(candidate.text) not in ("LATIN", "")


def _is_well_spelt(candidate: _Candidate) -> bool:
    """Whether many different letters are all of the language; of Latin ones, others have too few.

    What is English beside them, such as the keys of a JSONL file, lowers chardet's confidence.
    """
    letters = {char.lower() for char in candidate.text if char > "\x7f" and char.isalpha()}
    return (
        candidate.score >= _THIN
        and candidate.language in ALPHABETS
        and _main_script(candidate.text) == "LATIN"
        and len(letters) >= _VARIOUS
        and candidate.out_of_place <= _MISSPELT * candidate.foreign
    )


def _is_plain_english(candidate: _Candidate) -> bool:
    """Whether it is English with a curly quote or a café."""
    is_english = candidate.encoding == "cp1252" and candidate.language == "en"
    return is_english and candidate.score >= _THIN and _is_usual(candidate)


def _is_usual(candidate: _Candidate) -> bool:
    """Whether all letters are of the language, and all signs are usual ones."""
    return not candidate.out_of_place and all(
        char < "\x80" or char.isalpha() or char in _USUAL for char in candidate.text
    )


def _is_rival(other: _Candidate, best: _Candidate) -> bool:
    """Whether another reading of the same bytes is about as likely."""
    if other.text == best.text or other.score <= _RIVAL * best.score:
        return False
    more_out_of_place = other.out_of_place - best.out_of_place
    return more_out_of_place < _MORE_OUT_OF_PLACE[other.language != best.language]


def _is_of_two_scripts(best: _Candidate, others: list[_Candidate]) -> bool:
    scripts = {
        _main_script(each.text) for each in (best, *others) if each.score > _RIVAL * best.score
    }
    return len(scripts) > 1


def _main_script(text: str) -> str:
    scripts = Counter(script(char) for char in text if char > "\x7f" and char.isalpha())
    return scripts.most_common(1)[0][0] if scripts else ""


def _with_kana(sample: bytes) -> str:
    """cp932 or EUC-JP if it gives Japanese with kana, which other texts do not look like; else ""."""
    for encoding in _JAPANESE_ENCODINGS:
        text = _read(sample, encoding)
        if text and _is_japanese(text):
            foreign = len(text) - len(text.encode("ascii", "ignore"))
            if count(KANA, text) >= max(_FEWEST_KANA[encoding], _MIN_KANA * foreign):
                return encoding
    return ""


def _kanji_only(sample: bytes, candidates: list[_Candidate]) -> str:
    """cp932 or EUC-JP for a few kanji without kana, which a detector takes for Chinese; else ""."""
    best = candidates[0] if candidates else None
    for encoding in _JAPANESE_ENCODINGS:
        text = _read(sample, encoding) or ""
        if count(_JAPANESE, text) < 2 or count(_KANJI, text) > _SHORT or not _is_japanese(text):
            continue
        if not is_frequent_japanese(text):
            continue
        own = max((each.score for each in candidates if each.encoding == encoding), default=0.0)
        if best and own < _MIN_OF_BEST.get(best.encoding, 0.0) * best.score:
            continue
        return encoding
    return ""


def _few_accents(sample: bytes, best: _Candidate | None) -> str:
    """cp1252, the most frequent legacy encoding, for a few single accents; else ""."""
    text = _read(sample, "cp1252")
    if text is None or (best and best.score >= _THIN) or re.search("[^\x00-\x7f]{3}", text):
        return ""
    odd, foreign = _out_of_place(text, "")
    return "cp1252" if not odd and foreign <= _FEW else ""


def _is_japanese(text: str) -> bool:
    """Whether kana and kanji are adjacent, with few half-width katakana.

    Accented letters misread as Japanese give single kanji; other encodings give half-width katakana.
    """
    foreign = re.sub("[\x00-\x7f]", "", text)
    adjacent = sum(map(len, re.findall("[^\x00-\x7f]{2,}", text)))
    half_width = sum("\uff61" <= c <= "\uff9f" for c in foreign)
    is_mostly_full = 2 * adjacent > len(foreign) > 5 * half_width
    return is_mostly_full and count(_JAPANESE, foreign) > 0.3 * len(foreign)
