"""Label leaks in words."""

from __future__ import annotations

import json
import re

from nightschool.notes.label_leaks import LabelLeak, LabelLeaks, LeakRemedy
from nightschool.reports.text.wording import counted, percent

_CONTROL = re.compile("[\x7f-\x9f]")
_SHOWN = 60  # characters
_MOST_WARNINGS = 5
_REMEDIES: dict[LeakRemedy, str] = {
    "kind_from": "add {} to notes.kind_from",
    "remove_lines": "add {} to notes.remove_lines",
    "remove_text": "add {} to notes.remove_text",
}


def leak_in_words(leak: LabelLeak) -> str:
    """'"Category: Lesson" is in 45 of 50 notes of kind "lesson" and in 1 of 200 others'."""
    text = leak.text if len(leak.text) <= _SHOWN else f"{leak.text[: _SHOWN - 1].rstrip()}…"
    others = f"{leak.others_found:,}" if leak.others_found else "none"
    return (
        f'"{text}" is in {leak.found:,} of {counted(leak.of, "note")} of kind "{leak.kind}" and in {others} of '
        f"{counted(leak.others, 'other')}"
    )


def leak_place(leak: LabelLeak) -> str:
    """'lesson/a.md, line 3'."""
    return leak.source if leak.line is None else f"{leak.source}, line {leak.line}"


def leak_remedy(leak: LabelLeak) -> str:
    """What takes a leak out of the texts."""
    entry = json.dumps(leak.entry, ensure_ascii=False)
    # A TOML string as well as a JSON string, and nothing that a terminal obeys.
    entry = _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", entry)
    return _REMEDIES[leak.remedy].format(entry)


def leaks_in_words(found: LabelLeaks | None) -> list[str]:
    """That notes give their kinds away, by what, and how much that changes; empty if they do not."""
    if found is None or not found.leaks:
        return []
    first = found.leaks[0]
    more = len(found.leaks) - 1
    others = f", and {counted(more, 'more leak')} like it" if more else ""
    sentences = [f"The notes give their kinds away: {leak_in_words(first)}{others}."]
    if measured := found.accuracy:
        them = "these" if more else "it"
        notes = counted(measured.notes, "note")
        sentences.append(
            f"With {them}, word counts sort {percent(measured.with_leaks)} of {notes} correctly, without "
            f"{percent(measured.without_leaks)}."
        )
    return sentences


def leak_details(found: LabelLeaks | None) -> list[str]:
    """A line for each leak, with an example and what to do about it."""
    return [
        f"{leak_in_words(leak)} (as in {leak_place(leak)}): unless notes to be sorted have it, too, "
        f"{leak_remedy(leak)}"
        for leak in (found.leaks if found else ())
    ]


def leak_warnings(found: LabelLeaks) -> list[str]:
    """For the log of a run: the first leaks, with an example and what to do about each."""
    more = len(found.leaks) - _MOST_WARNINGS
    rest = [f"{counted(more, 'more leak')}: `nightschool notes` lists them"] if more > 0 else []
    return [*leaks_in_words(found), *leak_details(found)[:_MOST_WARNINGS], *rest]
