"""A note under the wrong kind is found by a model that has not seen it."""

from __future__ import annotations

from nightschool.scoring.suspects import suspects
from tests.conftest import OPENINGS, THINGS

KINDS = [kind for kind in ("decision", "lesson") for _ in THINGS]
TEXTS = [OPENINGS[kind].format(thing) for kind in ("decision", "lesson") for thing in THINGS]


def test_a_note_under_the_wrong_kind_is_the_first() -> None:
    kinds = ["lesson", *KINDS[1:]]
    index, given, better, confidence = suspects(TEXTS, kinds)[0]
    assert (index, given, better) == (0, "lesson", "decision")
    assert 0.5 < confidence <= 1


def test_where_all_is_right_nothing_is_suspected() -> None:
    assert suspects(TEXTS, KINDS) == []


def test_a_copy_in_the_same_group_does_not_vouch_for_a_wrong_kind() -> None:
    texts, kinds = [*TEXTS, *TEXTS[:1] * 9], [*KINDS, *["lesson"] * 9]
    groups = [*map(str, range(len(TEXTS))), *["copies"] * 9]
    alone = {index for index, *_ in suspects(texts, kinds)}
    grouped = {index for index, *_ in suspects(texts, kinds, groups)}
    assert set(range(len(TEXTS), len(texts))) <= grouped
    assert not set(range(len(TEXTS), len(texts))) & alone


def test_kinds_with_a_single_note_are_left_out() -> None:
    assert suspects(["a", "b"], ["a", "b"]) == []
    found = suspects([*TEXTS, "Alone."], [*KINDS, "value"])
    assert all(index < len(TEXTS) for index, *_ in found)
