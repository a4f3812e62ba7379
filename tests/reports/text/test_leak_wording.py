"""A report on notes that give their kinds away says so in its first lines."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, replace
from typing import Any

from nightschool.notes.label_leaks import LabelLeak, LabelLeaks, LeakAccuracy
from nightschool.notes.leak_candidates import LeakForm
from nightschool.reports.report_file import parse
from nightschool.reports.text.leak_wording import (
    leak_details,
    leak_remedy,
    leak_warnings,
    leaks_in_words,
)
from nightschool.reports.text.verdict import verdict_sentences

LEAK = LabelLeak(
    "lesson", LeakForm.LINE, "Category: Lesson", 45, 50, 1, 200, "lesson/a.md", 3,
    "remove_lines", 'Category: "*',
)  # fmt: skip
LEAKS = LabelLeaks(250, (LEAK,), LeakAccuracy(250, 0.96, 0.62))


def test_the_second_sentence_names_the_leak_and_what_it_is_worth(data: dict[str, Any]) -> None:
    data["label_leaks"] = asdict(LEAKS)
    report = parse(data)
    assert report.label_leaks == LEAKS
    assert verdict_sentences(report)[1:3] == [
        'The notes give their kinds away: "Category: Lesson" is in 45 of 50 notes of kind "lesson" and in 1 of '
        "200 others.",
        "With it, word counts sort 96 % of 250 notes correctly, without 62 %.",
    ]


def test_several_leaks_are_counted_and_detailed() -> None:
    other = replace(LEAK, text="x" * 100, line=None, others_found=0, remedy="remove_text")
    found = LabelLeaks(250, (LEAK, other), None)
    assert leaks_in_words(found)[0].endswith("and in 1 of 200 others, and 1 more leak like it.")
    first, second = leak_details(found)
    assert first.endswith(
        '(as in lesson/a.md, line 3): unless notes to be sorted have it, too, add "Category: \\"*" to '
        "notes.remove_lines"
    )
    assert second.startswith(
        f'"{"x" * 59}…" is in 45 of 50 notes of kind "lesson" and in none of 200'
    )
    assert "(as in lesson/a.md)" in second and second.endswith("to notes.remove_text")


def test_an_entry_is_a_toml_string_that_a_terminal_does_not_obey() -> None:
    entry = '\x1b[2J "\\" \x9b2J\t教訓'
    shown = leak_remedy(replace(LEAK, entry=entry))
    assert shown.isprintable()
    toml = shown.removeprefix("add ").removesuffix(" to notes.remove_lines")
    assert tomllib.loads(f"entry = {toml}") == {"entry": entry}


def test_a_run_warns_of_the_first_five_leaks() -> None:
    warnings = leak_warnings(LabelLeaks(250, (LEAK,) * 7, LEAKS.accuracy))
    assert len(warnings) == 2 + 5 + 1
    assert warnings[-1] == "2 more leaks: `nightschool notes` lists them"


def test_without_leaks_nothing_is_said() -> None:
    assert leaks_in_words(None) == leaks_in_words(LabelLeaks(10, (), None)) == []
