"""Where a file of several notes is divided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.headings import sections


def test_every_heading_begins_a_note_and_what_stands_before_the_first_is_one() -> None:
    text = "before\n# One #\n\ntext\n## Two\n- a\n### Deeper\nmore\n# One\n"
    assert list(sections(text, 2)) == [
        ("", "before\n", True),
        ("One", "# One #\n\ntext\n", True),
        ("Two", "## Two\n- a\n### Deeper\nmore\n", True),
        ("One (2)", "# One\n", False),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "#tag is no heading",
        "    # code by its indentation",
        "```\n# a comment\n```",
        "~~~~\n# a\n~~~\n# b\n~~~~",
        "```\n# never closed",
        "####### seven",
        "",
    ],
)
def test_what_looks_like_a_heading_divides_nothing(text: str) -> None:
    assert list(sections(text, 6)) == [("", text, True)]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("##", "untitled"),
        ("## ##", "untitled"),
        ("# C#", "C#"),
        ("## a  b ## ", "a b"),
        ("# 見出し", "見出し"),
    ],
)
def test_a_heading_is_named_without_its_marks(line: str, name: str) -> None:
    assert [heading for heading, _, _ in sections(f"{line}\ntext", 2)] == [name]


def test_a_very_long_heading_is_shortened() -> None:
    [(heading, _, _)] = sections("# " + "x" * 500 + "\ntext", 2)
    assert heading == "x" * 80


@given(st.text(alphabet="# `~\nab", max_size=120), st.integers(1, 6))
def test_no_character_is_lost_and_no_two_sections_share_a_name(text: str, level: int) -> None:
    found = list(sections(text, level))
    joined = "".join(section for _, section, _ in found)
    assert text.endswith(joined) and not text[: len(text) - len(joined)].strip()
    assert len({heading for heading, _, _ in found}) == len(found)
