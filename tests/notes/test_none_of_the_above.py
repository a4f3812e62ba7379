"""Which kind means "none of the above"."""

from __future__ import annotations

import pytest

from nightschool.notes.none_of_the_above import none_kind, unused_none_warning


@pytest.mark.parametrize(
    ("kinds", "configured", "expected"),
    [
        (["lesson", "none"], "", "none"),
        (["lesson", "None"], "", "None"),
        (["その他", "lesson"], "", "その他"),
        (["other", "none"], "", "none"),
        (["ＯＴＨＥＲ", "lesson"], "", "ＯＴＨＥＲ"),
        (["lesson", "value"], "", None),
        ([], "", None),
        (["lesson", "none"], "misc notes", "misc notes"),
        (["lesson", "ｎｏｎｅ"], "None", "ｎｏｎｅ"),
    ],
)
def test_none_is_the_configured_kind_or_one_with_a_known_name(
    kinds: list[str], configured: str, expected: str | None
) -> None:
    assert none_kind(kinds, configured) == expected


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ("misc", 'notes.none = "misc", but no note is of that kind'),
        ("none", ""),
        ("Ｎｏｎｅ", ""),
        ("", ""),
    ],
)
def test_a_configured_none_without_notes_is_warned_about(configured: str, expected: str) -> None:
    warning = unused_none_warning(["lesson", "none"], configured)
    assert warning.startswith(expected) and bool(warning) == bool(expected)
