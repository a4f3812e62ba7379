"""Where sentences, words and characters end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.sentences import character_end, sentence_end, sentences, word_end


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("It broke. I fixed", "It broke."),
        ("Why? It broke! I", "Why? It broke!"),
        ('She said "stop." Then', 'She said "stop."'),
        ("(It broke.) Then", "(It broke.)"),
        ("It *really broke.* Then", "It *really broke.*"),
        ("So ... well", "So ..."),
        ("Broke. Version 3.14 of notes.md", "Broke."),
        ("Broke. See https://example.org/a?b=c", "Broke."),
        ("Broke. Ask Dr. Tanaka", "Broke."),
        ("Broke. Tools, e.g. restic", "Broke."),
        ("Broke.\n1. Then", "Broke."),
        ("壊れた。直した", "壊れた。"),
        ("本当？直す", "本当？"),
        ("本当!直す", "本当!"),
        ("「壊れた。」と言", "「壊れた。」"),
        ("壊れた！？　直す", "壊れた！？"),
        ("壊れた．次は３．１４", "壊れた．"),
        ("壊れた｡直す", "壊れた｡"),
        ("# Router\nIt broke", "# Router"),
        ("- milk\n- bread", "- milk"),
        ("Broke.\nThe router that\nwas old", "Broke."),
        ("The router that\n\nwas old", "The router that"),
        ("メモ\n牛乳", "メモ"),
    ],
)
def test_a_sentence_ends_after_its_marks_and_brackets_or_with_its_line(
    text: str, kept: str
) -> None:
    place = sentence_end(text, 0, len(text) - 1)
    assert place is not None and text[:place] == kept


@pytest.mark.parametrize("text", ["no end here", "3.14", "a.b", "続く文", "e.g. this", "a\nb"])
def test_text_without_an_end_of_a_sentence_has_none(text: str) -> None:
    assert sentence_end(text, 0, len(text) - 1) is None


def test_only_ends_within_the_bounds_count() -> None:
    text = "One. Two. Three. Four"
    assert sentence_end(text, 0, 16) == 16
    assert sentence_end(text, 0, 15) == 9
    assert sentence_end(text, 9, 15) is None


def test_a_word_ends_at_white_space_and_japanese_anywhere() -> None:
    assert word_end("the router's old", 0, 8) == 4
    assert word_end("the router's old", 4, 8) is None
    assert word_end("壊れたルータ", 0, 4) == 4


@pytest.mark.parametrize(
    ("text", "most", "place"),
    [
        ("cafe\u0301 au lait", 4, 3),  # an accent of its own
        ("は\u3099か", 1, 0),  # ば, decomposed
        ("a👨\u200d👩\u200d👧b", 3, 1),  # a family
        ("a👍🏽b", 2, 1),  # a skin tone
        ("abc", 2, 2),
        ("abc", 9, 3),
    ],
)
def test_a_character_is_not_divided(text: str, most: int, place: int) -> None:
    assert character_end(text, most) == place


@given(st.text("a.。!\n 」\"'設1", max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_positions_are_within_the_bounds(text: str, least: int, most: int) -> None:
    for place in (sentence_end(text, least, most), word_end(text, least, most)):
        assert place is None or least < place <= min(most, len(text))


@given(st.text(st.sampled_from("ab. 。\n1)!？」")))
def test_the_sentences_joined_give_the_text(text: str) -> None:
    parts = list(sentences(text))
    assert "".join(parts) == text and all(parts)


def test_sentences_are_those_of_sentence_end() -> None:
    text = "Mr. Smith left.  It was 3.14 km! 次から。\n- a list\n- of two"
    assert [part.strip() for part in sentences(text)] == [
        "Mr. Smith left.", "It was 3.14 km!", "次から。", "- a list", "- of two",
    ]  # fmt: skip
