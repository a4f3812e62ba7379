"""Data augmentation: roughened copies of training notes, as if they had been typed in a hurry.

A copy has no word that its note does not have. Headings, markup, list markers, full stops, capital
letters, line breaks and the first or last sentences may be gone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random

from nightschool.notes.dataset import Dataset, Item, extended
from nightschool.notes.identity import content_id
from nightschool.notes.sentences import sentences
from nightschool.notes.splits import Split

ROUGHENED = "roughened"
"""The `Item.origin` of a roughened copy."""

_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t].*\n?|^.+\n[ \t]*(?:={3,}|-{3,})[ \t]*$\n?", re.MULTILINE)
_MARKER = re.compile(r"^([ \t]*)(?:[-*+•・]|\d{1,3}[.)])[ \t]+(?=\S)", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\n]{0,500}+)\]\([^)\n]{0,2000}+\)")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~).*\n?", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<!\w)(\*{1,3}|_{1,3}|`{1,2})(?=\S)([^*_`\n]+)(?<=\S)\1(?!\w)")
_LINE_END = re.compile(r"(?<=\S)[ \t]*\n[ \t]*(?=\S)")
_FULL_STOP = re.compile(r"[.。．](?=\s|\Z)")
_JAPANESE = re.compile("[\u3000-\u30ff\u3400-\u9fff\uff01-\uff9f]")
_MIN_SENTENCES_KEPT = 0.5  # share


def with_roughened_copies(dataset: Dataset, share: float, seed: int) -> Dataset:
    """Add roughened copies of this share of the training notes (0 to 1).

    Copies join the training split only and are made of training notes only, so no validation or test
    note leaks into training. The result is the same for the same notes and seed. Notes that are too
    short or too plain get no copy; a warning says so if fewer than half of the copies could be made.
    """
    training = dataset.of(Split.TRAIN)
    requested = round(share * len(training))
    copies = list(_copies(training, requested, seed))
    held_out = {item.id for item in dataset.items if item.split != Split.TRAIN}
    result = extended(dataset, [item for item in copies if content_id(item.text) not in held_out])
    if len(copies) >= requested / 2:
        return result
    warning = (
        f"train.roughen: only {len(copies)} of {requested} copies could be made, because the notes are "
        "too short or too plain"
    )
    return replace(result, warnings=(*result.warnings, warning))


def _copies(items: Sequence[Item], count: int, seed: int) -> Iterator[Item]:
    # The order of a hash: new notes do not change which of the others get a copy.
    order = sorted(
        items, key=lambda item: hashlib.sha256(f"{seed}:{ROUGHENED}:{item.id}".encode()).digest()
    )
    for item in order[:count]:
        text = roughen(item.text, f"{seed}:{item.id}")
        if text != item.text.strip():
            # The origin is part of the id, because a copy may differ from its note only in case.
            content = f"{ROUGHENED}\n{item.kind}\n{text}"
            id_ = hashlib.sha256(content.encode()).hexdigest()[:16]
            yield replace(item, id=id_, text=text, origin=ROUGHENED)


def roughen(text: str, seed: str) -> str:
    """A rougher version of a note: the same for the same seed, never empty, without a new word.

    Each transformation is applied with probability 1/2. A note that offers nothing to roughen is
    returned as it is.
    """
    # Seeding with a string and calling only random() gives the same result on every Python version.
    random = Random(seed)
    rough = text
    for transform in _TRANSFORMS:
        if random.random() < 0.5:
            changed = transform(rough, random)
            rough = changed if changed.strip() else rough
    return re.sub(r"\n{3,}", "\n\n", rough).strip()


def _without_headings(text: str, _: Random) -> str:
    return _HEADING.sub("", text)


def _with_other_list_markers(text: str, random: Random) -> str:
    """Replace every list marker by the same other one, or drop it."""
    marker = ("", "", "- ", "* ", "・")[int(random.random() * 5)]
    return _MARKER.sub(rf"\g<1>{marker}", text)


def _without_markup(text: str, _: Random) -> str:
    return _EMPHASIS.sub(r"\2", _LINK.sub(r"\1", _FENCE.sub("", text)))


def _excerpt(text: str, random: Random) -> str:
    """Some consecutive sentences."""
    parts = list(sentences(text))
    share = _MIN_SENTENCES_KEPT + (1 - _MIN_SENTENCES_KEPT) * random.random()
    kept = max(1, round(len(parts) * share))
    begin = int(random.random() * (len(parts) - kept + 1))
    return "".join(parts[begin : begin + kept])


def _lower_case(text: str, _: Random) -> str:
    return text.lower()


def _without_full_stops(text: str, _: Random) -> str:
    return _FULL_STOP.sub("", text)


def _joined_lines(text: str, _: Random) -> str:
    """Join the lines of each paragraph, without a space between Japanese characters."""

    def separator(line_end: re.Match[str]) -> str:
        neighbours = text[line_end.start() - 1], text[line_end.end()]
        return "" if all(map(_JAPANESE.match, neighbours)) else " "

    return _LINE_END.sub(separator, text)


_TRANSFORMS: tuple[Callable[[str, Random], str], ...] = (
    _without_headings,
    _with_other_list_markers,
    _without_markup,
    _excerpt,
    _lower_case,
    _without_full_stops,
    _joined_lines,
)
