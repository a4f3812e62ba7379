"""Tags in the text of a note, in the grammars of Obsidian, Logseq and Bear."""

from __future__ import annotations

import pytest

from nightschool.notes.tags import tags, without_tags


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("#lesson learned", ("lesson",)),
        ("learned #lesson\n#value", ("lesson", "value")),
        ("メモ #買い物 と #教訓/失敗", ("買い物", "教訓/失敗")),
        ("#教訓。次は確認する", ("教訓",)),
        ("#in-box #in_box #a1", ("in-box", "in_box", "a1")),
        ("# Heading\n## lesson", ()),
        ("issue #12, C#sharp, a#b, #", ()),
        ("#a#b", ("a", "b")),
        ("#🌱 #👩‍🌾 #lesson✅", ("🌱", "👩‍🌾", "lesson✅")),
        ("#सीख #שִׁעוּר #lec\u0327on", ("सीख", "שִׁעוּר", "lec\u0327on")),
        ("#[[lesson learned]] #[[lesson|x]]", ("lesson learned",)),
        ("#lesson learned# x", ("lesson learned",)),
        ("#lesson and issue #12", ("lesson",)),
        ("`#lesson` stays code", ()),
        ("```css\n#value { }\n```\n#lesson", ("lesson",)),
        ("~~~\n#value\n```\n~~~\n", ()),
        ("```\n#value never closed", ()),
        ("``` in #lesson code ``` and #value", ("value",)),
        ("`` a ` #lesson `` #value", ("value",)),
        ("x " + "`" * 9 + " #lesson", ("lesson",)),
        ("- item\n  ```\n  #value\n  ```\n- #lesson", ("lesson",)),
        ("> [!note]\n> ```\n> #value\n> ```\n> #lesson", ("lesson",)),
        ("text\n\n    #value\n\ntext", ()),
        ("text\n    #lesson", ("lesson",)),
        ("https://example.org/#lesson [[a#lesson]] (#lesson)", ()),
    ],
)
def test_tags_are_found_outside_of_code_and_links(text: str, found: tuple[str, ...]) -> None:
    assert tuple(tag.name for tag in tags(text)) == found


@pytest.mark.parametrize(
    ("unwanted", "rest"),
    [(["lesson learned"], "x"), (["lesson"], "learned# x"), (["x"], "#lesson learned# x")],
)
def test_of_a_tag_of_two_words_the_first_may_be_meant(unwanted: list[str], rest: str) -> None:
    text = "#lesson learned# x"
    assert without_tags(text, unwanted.__contains__) == rest
