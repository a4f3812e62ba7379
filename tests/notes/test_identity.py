"""Copies of a note have one identity."""

from __future__ import annotations

import unicodedata

import pytest

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
