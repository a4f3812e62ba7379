"""Code, headings and sections of Markdown text."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes import markdown
from nightschool.notes.markdown import sections, structure, without_code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a `b` c", ["`b`"]),
        ("a `` b ` c `` d", ["`` b ` c ``"]),
        ("a `b c", []),
        (r"a \`b` c `d", ["` c `"]),
        ("```\na\n```\nb", ["```\na\n```\n"]),
        ("- a\n  ~~~\n  b\n  ~~~\n- c", ["  ~~~\n  b\n  ~~~\n"]),
        ("> ```\n> a\n\nb", ["> ```\n> a\n"]),
        ("a\n\n    b\n\nc", ["    b\n"]),
        ("a\n    b", []),
        ("1. a\n\n      b\n\n   c", []),
        ("", []),
    ],
)
def test_code_is_found_where_commonmark_finds_it(text: str, code: list[str]) -> None:
    assert [text[begin:end] for begin, end in structure(text).code] == code


@given(st.text(alphabet="# `~\n\tab>-1.", max_size=120))
def test_masked_code_keeps_every_position(text: str) -> None:
    masked = without_code(text)
    assert len(masked) == len(text) and masked.count("\n") == text.count("\n")
    assert without_code(text) == structure(text).masked(text)


def test_every_heading_begins_a_section_and_so_does_text_before_the_first() -> None:
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
def test_lines_that_only_look_like_headings_divide_nothing(text: str) -> None:
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
def test_a_heading_is_named_without_its_markup(line: str, name: str) -> None:
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


LINES = st.sampled_from([
    "# a", "## b", "a", "---", "===", "", "", "- a", "- ", "  # c", "    code", "\tx", "1. a", "> a", "> # a",
    "```", "~~~~", "``` py", "`a", "a`", "<!--", "-->", "<div>", "</div>", "<pre>", "</pre>", "<b>", "* * *",
    "  - b", "     - c", "[a]: b", "a  ", "|a|b|", "|-|-|", ">", "<?", "?>", "   ", "#", "\\", "  ```", "   a",
])  # fmt: skip


@given(st.lists(LINES, max_size=40), st.integers(1, 30))
def test_a_text_that_is_parsed_in_pieces_has_the_structure_of_the_whole(
    lines: list[str], piece: int
) -> None:
    text = "\n".join(lines)
    whole = markdown.structure(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markdown, "_PIECE", piece)
        assert markdown.structure(text) == whole


def test_memory_is_for_a_piece_and_not_for_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "_PIECE", 2_000)
    peaks = []
    for size in (1_000, 4_000):
        tracemalloc.start()
        markdown.structure("`" + "a\n\n" * size)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_a_block_of_any_size_is_cut() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markdown, "_PIECE", 10)
        patch.setattr(markdown, "_MOST_TOKENS", 50)
        text = "`a`\n" + "- a\n" * 500 + "# b\n"
        assert [each.name for each in markdown.structure(text).headings] == ["b"]
        patch.setattr(markdown, "_LONGEST_BLOCK", 50)
        text = "```\n" + "x\n" * 500
        assert markdown.structure(text).code
        patch.setattr(markdown, "_MOST_PARTS", 5)
        assert len(markdown.structure("# a\n" * 500).headings) < 20
