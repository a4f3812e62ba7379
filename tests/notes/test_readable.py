"""What of a text a model reads."""

from __future__ import annotations

import pytest

from nightschool.notes.readable import only_placeholders, readable


def test_pictures_and_long_addresses_are_not_read() -> None:
    picture = "![shot](data:image/png;base64," + "iVBOR/+" * 900 + "==)"
    address = "https://example.org/" + "a" * 500
    text = readable(f"# Shot\n{picture}\nNever deploy. [link]({address}) https://example.org/short")
    assert text.startswith("# Shot\n![shot]()\nNever deploy. [link](https://example.org/aaa")
    assert text.endswith("…) https://example.org/short") and len(text) < 250


def test_japanese_behind_an_address_is_no_part_of_it() -> None:
    text = f"詳細はhttps://example.org/{'a' * 300}を参照。" + "結論" * 100
    assert readable(text).endswith("…を参照。" + "結論" * 100)
    assert "a" * 200 not in readable(text)


@pytest.mark.parametrize(
    ("text", "is_template"),
    [
        ("# {{title}}\n\n{{date}}\n", True),
        ("# Meeting\nDate: {{date}}\nPeople:\n- {{name}}\n", True),
        ("<% tp.file.title %>\n", True),
        ("# Meeting\n", False),
        ("Use {{title}} for the title of the page.", False),
    ],
)
def test_a_template_holds_only_placeholders(text: str, is_template: bool) -> None:
    assert only_placeholders(text) is is_template
