"""Which kind means none of the above, and what near-misses are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.none_of_the_above import cut_out, mixture, none_kind

LESSON = (
    "The restore failed because nobody had ever tried it. The dump was fine, the password was not "
    "in the vault. Next time I will restore once a month, on a Monday, with the on-call person."
)
DECISION = (
    "We chose restic over borg. It speaks to the bucket that we have, and the others know it. "
    "Borg compresses better, and that does not matter at forty gigabytes. We look again in a year."
)


@pytest.mark.parametrize(
    ("kinds", "given", "expected"),
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
def test_none_is_the_kind_that_is_named_so_or_given(
    kinds: list[str], given: str, expected: str | None
) -> None:
    assert none_kind(kinds, given) == expected


@given(st.text(min_size=1), st.text(max_size=3))
def test_a_passage_is_a_part_of_its_note(text: str, seed: str) -> None:
    passage = cut_out(text * 20, seed)
    assert passage is None or (passage and passage in text * 20)


@pytest.mark.parametrize("seed", [str(seed) for seed in range(20)])
def test_a_passage_begins_and_ends_in_mid_thought_with_whole_words(seed: str) -> None:
    passage = cut_out(LESSON, seed)
    assert passage is not None
    assert set(passage.split()) <= set(LESSON.split())
    assert LESSON.index(passage) > 0 and not LESSON.endswith(passage)
    assert 30 <= len(passage) <= 0.4 * len(LESSON)
    assert passage == cut_out(LESSON, seed)


def test_a_short_note_is_not_cut() -> None:
    assert cut_out("Too short to be cut.", "0") is None
    assert mixture("Too short.", LESSON) is mixture(LESSON, "Too short.") is None


def test_a_mixture_is_a_half_of_each() -> None:
    mixed = mixture(LESSON, DECISION)
    assert mixed is not None
    first, second = mixed.split("\n\n")
    assert LESSON.startswith(first) and DECISION.endswith(second)
    assert abs(len(first) - len(LESSON) / 2) < 20 and abs(len(second) - len(DECISION) / 2) < 20
