"""Copies of a note have one identity."""

from __future__ import annotations

import re
import sys
import unicodedata
from typing import Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nightschool.config.unicode_forms import (
    _AFTER_MARKS,
    _MAY_BE_LONG_RUN,
    _is_mark,
    unicode_form,
)
from nightschool.notes.identity import content_id, normalise


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A Note", "a note"),
        ("  a\n\nnote\t", "a note"),
        ("a　note", "a note"),
        ("Ｎｏｔｅ １", "note 1"),
        ("ｶﾞｷﾞ", "ガギ"),
        ("が", unicodedata.normalize("NFD", "が")),
        ("STRASSE", "straße"),
    ],
)
def test_copies_that_differ_in_case_width_or_white_space_have_one_identity(
    one: str, other: str
) -> None:
    assert content_id(one) == content_id(other)


@pytest.mark.parametrize(("one", "other"), [("a note", "a note."), ("ab", "a b"), ("は", "ば")])
def test_different_notes_have_different_identities(one: str, other: str) -> None:
    assert content_id(one) != content_id(other)


def test_an_identity_is_sixteen_hexadecimal_digits_and_never_changes() -> None:
    assert normalise(" A　Note\n") == "a note"
    assert content_id(" A　Note\n") == "f63e34a034f19a24"


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
@pytest.mark.parametrize(
    "marks", ["\u0301", "\u0316\u0301", "\uff9e", "\u0f73", "\u3099\u0301\u20d0"]
)
def test_a_run_of_marks_is_divided_so_that_sorting_it_takes_no_time(
    form: Literal["NFC", "NFKC"], marks: str
) -> None:
    text = unicode_form(form, "a" + marks * 200)
    runs = [len(run) for run in text.split("\u034f")]
    assert len(runs) > 1 and max(runs) <= 4 * 30 + 1  # a mark may decompose into up to four


@given(st.text(alphabet="a e\u0301\u0316\uff9eかｶ\u1100\u1161漢.", max_size=80))
def test_text_without_such_runs_is_normalised_as_ever(text: str) -> None:
    runs = re.findall("[\u0301\u0316\uff9e]+", text)
    assume(max(map(len, runs), default=0) <= 30)
    assert unicode_form("NFKC", text) == unicodedata.normalize("NFKC", text)


def test_every_combining_mark_is_known() -> None:
    assert not any(map(unicodedata.combining, map(chr, range(_AFTER_MARKS, sys.maxunicode + 1))))
    for character in map(chr, range(0x300, _AFTER_MARKS)):
        if _is_mark(character):
            assert _MAY_BE_LONG_RUN.search(character * 31), hex(ord(character))
        elif unicodedata.decomposition(character):
            assert not unicodedata.combining(unicodedata.normalize("NFKD", character)[0])
