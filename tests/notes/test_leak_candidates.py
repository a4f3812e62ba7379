"""What two notes have in common, whatever differs in numbers, case and width."""

from __future__ import annotations

import time

import pytest

from nightschool.notes.leak_candidates import (
    Candidate,
    LeakForm,
    folded,
    names_kind,
    normalised,
    occurrences,
    tokens,
)


def _candidates(text: str) -> set[Candidate]:
    return {each.candidate for each in occurrences(text)}


@pytest.mark.parametrize(
    ("line", "form", "text"),
    [
        ("Category: Lesson", LeakForm.LINE, "category: lesson"),
        ("Lesson: never on a Friday", LeakForm.START, "lesson:"),
        ("lesson - never on a Friday", LeakForm.START, "lesson -"),
        ("so, Kind = lesson, today", LeakForm.FIELD, "kind = lesson"),
        ("see [[MOC Lessons]]", LeakForm.LINK, "[[moc lessons]]"),
        ("see https://a.example/lessons/17", LeakForm.LINK, "https://a.example/lessons"),
        ("x <!-- tpl 12 -->", LeakForm.COMMENT, "<!-- tpl № -->"),
        ("【教訓】金曜は避ける", LeakForm.BRACKET, "【教訓】"),
        ("[Lesson] never", LeakForm.BRACKET, "[lesson]"),
        ("never #lesson/ops", LeakForm.TAG, "#lesson/ops"),
        ("💡 never", LeakForm.SYMBOL, "💡"),
        ("It broke. Filed under lessons. Why?", LeakForm.SENTENCE, "filed under lessons."),
        ("2024-05-03 ＬＥＳＳＯＮ 7", LeakForm.LINE, "№ lesson №"),
        ("```lesson", LeakForm.NAME, "lesson"),
        ("x <Lesson>", LeakForm.NAME, "<lesson>"),
    ],
)
def test_forms(line: str, form: LeakForm, text: str) -> None:
    assert Candidate(form, text) in _candidates(f"Title\n\n{line}\nend")


def test_parts_of_a_file_name_count_in_the_first_and_last_line_only() -> None:
    part = Candidate(LeakForm.FILE_NAME, "lesson")
    assert part in _candidates("lesson_deploy-2.md\ntext")
    assert part not in _candidates("text\nlesson_deploy-2.md\ntext")


def test_places_are_those_of_the_text() -> None:
    text = "İ first\n  【教訓】 Category: Lesson. ﬁn. 💡\n"
    for candidate, begin, end in occurrences(text):
        assert candidate.text in (normalised(text[begin:end]), folded(text[begin:end]))
    for token in tokens(text):
        assert normalised(text[token.begin : token.end]) == token.text


def test_rules_and_fences_are_no_candidates() -> None:
    assert _candidates("---\n\n```\n***\n") == set()


def test_a_name_counts_at_the_start_of_a_word() -> None:
    assert names_kind("MOC Lessons", ["lesson"]) and names_kind("これは教訓です", ["教訓"])
    assert not names_kind("unlessoned", ["lesson"])


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "a:" * 5000,
        "(" * 10_000,
        "<!--" * 2500,
        "#" * 9000,
        "_" * 5000 + "b",
        "=" * 9000,
        "a" + "_" * 5000 + "!",
    ],
)
def test_hostile_text_takes_no_time(text: str) -> None:
    began = time.process_time()
    assert len(list(occurrences(text))) < 20_000
    assert time.process_time() - began < 1
