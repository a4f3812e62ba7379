"""Looks for label leaks in the labelled notes of a school, and says where they stand and how to remove them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nightschool.config.files import open_regular
from nightschool.config.printable import one_line
from nightschool.config.settings import Settings
from nightschool.notes.decoding import Undecodable, decode
from nightschool.notes.folder_scan import TABLE_SUFFIXES
from nightschool.notes.label_leaks import LabelLeak, LabelLeaks, LeakRemedy
from nightschool.notes.leak_candidates import NUMBER, Candidate, LeakForm, names_kind
from nightschool.notes.metadata.line_properties import inline_fields
from nightschool.notes.notes_places import Places, file_of

if TYPE_CHECKING:
    from nightschool.scoring.leak_phrases import LabelledText
    from nightschool.scoring.leak_search import FoundLeak

_LONGEST_TEXT = 200  # characters
_MOST_BYTES = 1 << 24
_DIGITS = re.compile(r"\d+")
_FIELD = re.compile(r"(?P<key>[^:：=]{1,40}[:：=]\s*)(?P<value>.+)")


def check_leaks(notes: Sequence[LabelledText], settings: Settings, places: Places) -> LabelLeaks:
    """The label leaks in some notes, and what word counts reach with and without them.

    `places` are where the notes' files are. From more than 2,000 notes a sample is drawn.
    """
    from nightschool.scoring.leak_search import find_leaks, sample  # lazy: scipy

    notes = [notes[n] for n in sample([note.kind for note in notes])]
    names = {kind: each.aliases for kind, each in settings.kinds.items()}
    leaks = find_leaks(notes, names)
    if not leaks:
        return LabelLeaks(len(notes), (), None)
    from nightschool.scoring.leak_accuracy import leak_accuracy, without_topics  # lazy: sklearn

    leaks = without_topics(notes, leaks)
    described = tuple(_described(leak, notes, settings, places) for leak in leaks)
    return LabelLeaks(len(notes), described, leak_accuracy(notes, leaks) if leaks else None)


def _described(
    leak: FoundLeak, notes: Sequence[LabelledText], settings: Settings, places: Places
) -> LabelLeak:
    configured = settings.kinds.get(leak.kind)
    names = (leak.kind, *(configured.aliases if configured else ()))
    of_kind = [number for number, note in enumerate(notes) if note.kind == leak.kind]
    found = [number for number in of_kind if number in leak.places]
    number = min(found, key=lambda number: notes[number].source)
    example, (begin, end) = notes[number], leak.places[number][0]
    line = _line_at(example.text, begin)
    text = line if leak.candidate.form is LeakForm.LINE else example.text[begin:end].strip()
    remedy, entry = _remedy(leak.candidate, text, line, names)
    return LabelLeak(
        kind=leak.kind,
        form=leak.candidate.form,
        text=one_line(text)[:_LONGEST_TEXT],
        found=len(found),
        of=len(of_kind),
        others_found=len(leak.places) - len(found),
        others=len(notes) - len(of_kind),
        source=example.source,
        line=_line_in_file(places, example.source, line, settings.notes.encoding),
        remedy=remedy,
        entry=entry,
    )


def _line_at(text: str, place: int) -> str:
    end = text.find("\n", place)
    return text[text.rfind("\n", 0, place) + 1 : len(text) if end < 0 else end].strip()


def _remedy(
    candidate: Candidate, text: str, line: str, names: Sequence[str]
) -> tuple[LeakRemedy, str]:
    """The setting that removes a leak of a kind with these names, and the entry to add to it."""
    form, varies = candidate.form, NUMBER in candidate.text

    def pattern(text: str) -> str:
        return _DIGITS.sub("*", text) if varies else text

    if form in (LeakForm.LINE, LeakForm.START, LeakForm.FIELD):
        for each in inline_fields(line):
            if names_kind(" ".join(each.values), names):
                return "kind_from", each.key
    if form is LeakForm.LINE:
        field = _FIELD.fullmatch(line)
        if field and names_kind(field["value"], names):
            return "remove_lines", f"{field['key']}*"
        return "remove_lines", pattern(line)
    text = text.split("\n")[0].strip()
    before, _, after = line.partition(text)
    if form is LeakForm.FILE_NAME:
        return "remove_lines", f"{before and '*'}{text}{after and after[0] + '*'}"
    if varies and form is LeakForm.PHRASE and 2 * len(text) > len(line):
        return "remove_lines", f"{before and '*'}{pattern(text)}{after and '*'}".replace("**", "*")
    return "remove_text", pattern(text)


def _line_in_file(places: Places, source: str, line: str, encoding: str) -> int | None:
    """The number of the line that holds this text in the file of a note; None if it cannot be told."""
    file = file_of(places, source)
    if file is None or file.suffix.lower() in TABLE_SUFFIXES:  # a row's name tells its line
        return None
    try:
        with open_regular(file) as stream:
            text = decode(stream.read(_MOST_BYTES), encoding).text
    except (OSError, Undecodable):
        return None
    numbers = (number for number, each in enumerate(text.split("\n"), start=1) if line in each)
    return next(numbers, None)
