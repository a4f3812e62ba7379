"""Names of kinds, and what names them."""

from __future__ import annotations

import math

import pytest

from nightschool.notes.kinds import KnownKinds, kind_name

KNOWN = KnownKinds(["lesson", "value", "買い物 リスト"], {"lesson": ["Lessons", "教訓"]})


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        (" a\n fact ", "a fact"),
        ("va\u00adlue", "value"),
        ("\ufeffvalue\u200b", "value"),
        ("\u200evalue", "value"),
        ("[[lesson]]", "lesson"),
        ("[[kinds/lesson|Lessons]]", "lesson"),
        ("[[lesson#part]]", "lesson"),
        ("#lesson", "lesson"),
        ("#[[two words]]", "two words"),
        ("[Lesson](Lesson%20123.md)", "Lesson"),
        ("C#", "C#"),
        ("#", "#"),
        ("1.0", "1"),
        (2.0, "2"),
        ("1.5", "1.5"),
        (True, "true"),
        (math.nan, None),
        ("NULL", None),
        ("N/A", None),
        ("NaN", None),
        ("", None),
        (None, None),
        ("\u30ab\u3099", "ガ"),
        ("👩‍🌾", "👩‍🌾"),
    ],
)
def test_a_name_is_stored_in_one_form(name: object, stored: str | None) -> None:
    assert kind_name(name) == stored


@pytest.mark.parametrize("name", ["LESSON", "lessons", "教訓", "ｌｅｓｓｏｎ", "les\u200bson"])
def test_a_kind_is_found_by_any_spelling_and_by_its_aliases(name: str) -> None:
    assert KNOWN.named(name) == "lesson"


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("lesson", "lesson"),
        ("kind/lesson", "lesson"),
        ("lesson/deploy/friday", "lesson"),
        ("type/教訓/x", "lesson"),
        ("買い物-リスト", "買い物 リスト"),
        ("lessons-learned", None),
        ("ops/lesson", None),
    ],
)
def test_a_tag_names_its_nearest_known_ancestor(tag: str, kind: str | None) -> None:
    assert KNOWN.tagged([tag]) == ((kind,) if kind else ())


def test_a_text_in_the_place_of_a_name_is_none() -> None:
    assert kind_name("a" * 200) == "a" * 200
    assert kind_name("a" * 201) is None and kind_name("a" * 10_000_000) is None
