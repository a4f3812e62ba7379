"""What names a note's kind, and which tags count."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nightschool.notes.kinds import Claims, Known, as_tags, marks, settle

ORDER = ("kind", "type", "folder", "tags")
KNOWN = Known(["lesson", "value", "買い物 リスト"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("#lesson learned", ("lesson",)),
        ("learned #lesson\n#value", ("lesson", "value")),
        ("twice #lesson #lesson", ("lesson",)),
        ("メモ #買い物 と #教訓/失敗", ("買い物", "教訓/失敗")),
        ("#in-box #in_box #a1", ("in-box", "in_box", "a1")),
        ("# Heading\n## lesson", ()),
        ("issue #12, C#sharp, a#b, #", ()),
        ("`#lesson` stays code", ()),
        ("```css\n#value { }\n```\n#lesson", ("lesson",)),
        ("~~~\n#value\n```\n~~~\n", ()),
        ("```\n#value never closed", ()),
        ("``` in #lesson code ``` and #value", ("value",)),
        ("x " + "`" * 9 + " #lesson", ("lesson",)),
        ("https://example.org/#lesson", ()),
    ],
)
def test_tags_are_found_outside_of_code_and_links(text: str, found: tuple[str, ...]) -> None:
    assert marks(text) == found


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        (Claims(kind="new", type="lesson", folder="value"), "new"),
        (Claims(type="Lesson", folder="value"), "lesson"),
        (Claims(type="daily", folder="inbox"), "inbox"),
        (Claims(type="daily", tags=("home", "VALUE")), "value"),
        (Claims(folder="inbox", tags=("value",)), "inbox"),
        (Claims(tags=("kind/lesson",)), "lesson"),
        (Claims(marks=("買い物-リスト",)), "買い物 リスト"),
        (Claims(marks=("value",), tags=("lesson",)), "value"),
        (Claims(tags=("lesson/sub",)), None),
        (Claims(tags=("home",)), None),
        (Claims(), None),
    ],
)
def test_the_first_source_that_names_a_kind_counts(claims: Claims, kind: str | None) -> None:
    assert settle(claims, KNOWN, ORDER) == (kind, "")


def test_tags_may_go_before_the_folder_or_not_count_at_all() -> None:
    claims = Claims(folder="inbox", tags=("value",))
    assert settle(claims, KNOWN, ("tags", "folder"))[0] == "value"
    assert settle(Claims(tags=("value",)), KNOWN, ("kind", "folder"))[0] is None


def test_tags_that_name_two_kinds_name_none_and_are_told() -> None:
    claims = Claims(tags=("lesson", "home", "value"))
    assert settle(claims, KNOWN, ORDER) == (
        None,
        "its tags name 2 kinds (lesson, value): leave one",
    )


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        (["a", "#b", " c ", "a", ["d"], ""], ("a", "b", "c")),
        ("a, #b c", ("a", "b", "c")),
        ("", ()),
        (None, ()),
        ({"a": "b"}, ()),
    ],
)
def test_the_front_matters_tags_are_a_list_or_a_text(value: object, tags: tuple[str, ...]) -> None:
    assert as_tags(value) == tags


def test_only_tags_that_name_a_kind_are_taken_off_the_text() -> None:
    text = "#lesson First restore, then delete. #home #VALUE\n`#lesson`\n```\n#value\n```\n"
    kept = " First restore, then delete. #home \n`#lesson`\n```\n#value\n```\n"
    assert KNOWN.without_marks(text) == kept


@given(st.text(alphabet="#` ~\n-/a1語", max_size=80))
@example("#a#a")
def test_what_is_left_of_a_text_names_no_kind(text: str) -> None:
    known = Known(["a", "語"])
    assert known.tagged(marks(known.without_marks(text))) == ()
