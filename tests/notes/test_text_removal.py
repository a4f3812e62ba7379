"""Lines and words that the owner names are not in the text that a model reads."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.config.notes_settings import NotesSettings
from nightschool.notes.kind_marks import without_kind_marks
from nightschool.notes.kinds import KnownKinds
from nightschool.notes.text_removal import without_lines, without_words


@pytest.mark.parametrize(
    ("pattern", "removed", "kept"),
    [
        ("Accepted", ["Accepted", "  accepted "], ["Accepted by all", "not accepted"]),
        ("Category: *", ["Category: Lesson", "category:  x"], ["The category: x", "Category"]),
        ("**Kind:** *", ["**Kind:** lesson", "**kind:** a * b"], ["Kinds: a"]),
        ("*-lesson-*.md", ["2024-lesson-a.md", "-lesson-.md"], ["lesson.md", "-lesson-.txt"]),
        ("[[MOC Lessons]]", ["[[MOC Lessons]]"], ["see [[MOC Lessons]]", "M"]),
        ("a*a", ["aa", "a-a"], ["a"]),
        ("分類：*", ["分類：教訓"], ["この分類：教訓"]),
    ],
)
def test_a_pattern_removes_whole_lines(pattern: str, removed: list[str], kept: list[str]) -> None:
    text = "\n".join(["first", *removed, *kept, "last"])
    assert without_lines(text, [pattern]) == "\n".join(["first", *kept, "last"])


def test_words_go_wherever_they_stand_and_lines_of_nothing_else_go_with_them() -> None:
    text = "【教訓】金曜は避ける\n💡\n\nA 💡 that stays. [LESSON]\n"
    expected = "金曜は避ける\n\nA that stays.\n"
    assert without_words(text, ["【教訓】", "💡", "[lesson]"]) == expected


def test_a_word_is_not_removed_from_within_others() -> None:
    assert without_words("Lessons: a lesson, alesson", ["lesson"]) == "Lessons: a , alesson"
    assert without_words("私の教訓は教訓です", ["教訓"]) == "私のはです"
    assert without_words("x#lesson #lessons", ["#lesson"]) == "x #lessons"


def test_an_asterisk_stands_for_any_characters_between_others_and_for_itself_at_the_ends() -> None:
    text = "DEC-017: Deploys\n**Lesson** one\nLesson two\nDEC- none"
    assert without_words(text, ["DEC-*:", "**lesson**"]) == "Deploys\none\ntwo\nDEC- none"


def test_unicode_forms_of_one_text_are_the_same() -> None:
    decomposed = unicodedata.normalize("NFD", "カテゴリ：ガイド\n【ガイド】本文")
    assert without_lines(decomposed, ["カテゴリ：*"]) == decomposed.split("\n")[1]
    assert without_words(decomposed, ["【ガイド】"]).endswith("\n本文")


def test_no_text_makes_a_pattern_slow() -> None:
    pattern = "*a" * 40 + "*b"
    began = time.process_time()
    assert without_lines("a" * 200_000, [pattern]) == "a" * 200_000
    assert without_words("a-" * 20_000, ["a*-*-*-*b"]) == "a-" * 20_000
    assert time.process_time() - began < 1


@given(st.text("ab*\n ", max_size=40), st.text("ab*", min_size=1, max_size=6))
def test_nothing_that_is_to_be_removed_remains(text: str, entry: str) -> None:
    if not entry.strip("*"):
        return
    settings = NotesSettings(remove_lines=[entry], remove_text=["ab"])
    rest = without_kind_marks(text, KnownKinds([]), settings)
    assert not re.search(r"\bab\b", rest)
    assert without_lines(rest, [entry]) == rest


@pytest.mark.parametrize("entry", ["", " ", "*", "* *", "a\nb"])
@pytest.mark.parametrize("setting", ["remove_lines", "remove_text"])
def test_an_entry_that_would_remove_everything_or_nothing_is_refused(
    setting: str, entry: str
) -> None:
    with pytest.raises(ValueError, match="part of a line"):
        NotesSettings.model_validate({setting: [entry]})
