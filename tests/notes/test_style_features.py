"""The style features of a note."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.style_features import FEATURES, style_features


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("  12345\n678  ", "length in characters", 9),
        ("1234\n\n12", "length of a line", 3),
        ("# Title\ntext\n## More\ntext", "lines that are headings", 0.5),
        ("#tag\n####### seven", "lines that are headings", 0),
        ("- a\n* b\n1. c\n10) d\n・e\n・ f\n-no\ntext", "lines that are list items", 5 / 8),
        ("a\n\n\nb", "lines that are blank", 0.5),
        ("One. \nTwo\n三。\n(Four?)", "lines that end a sentence", 0.75),
        ("small\nLarge\n- small\n日本", "lines that begin with a small letter", 0.5),
        ("**bold** `code`", "Markdown marks (in 100 characters)", 100 * 4 / 15),
        ("a1b2", "digits (in 100 characters)", 50),
        ("ABcd", "capitals (in 100 characters)", 50),
    ],
)
def test_a_feature_measures_what_its_name_says(text: str, name: str, value: float) -> None:
    assert style_features(text)[FEATURES.index(name)] == pytest.approx(value)


@given(st.text(max_size=200))
def test_no_feature_is_negative(text: str) -> None:
    found = style_features(text)
    assert len(found) == len(FEATURES)
    assert all(value >= 0 for value in found)
