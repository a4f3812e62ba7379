from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.config.errors import LearningError
from nightschool.learning.base import load_tokenizer
from nightschool.learning.encoding import Encoder
from nightschool.learning.few_shot import with_examples
from tests.conftest import KINDS, OPENINGS, THINGS

NOTES = [
    (f"{kind}-{n}", OPENINGS[kind].format(thing), kind)
    for kind in KINDS
    for n, thing in enumerate(THINGS)
]


@pytest.fixture
def encoder(tiny_base: Path) -> Encoder:
    return Encoder(load_tokenizer(tiny_base), KINDS, {}, "", 64)


def shown(encoder: Encoder) -> str:
    return str(encoder._tokenizer.decode(encoder.prefix))


@pytest.mark.parametrize("context", [190, 300, 400, 800, None])
def test_there_are_as_many_of_each_kind_and_the_longest_note_fits_beside_them(
    encoder: Encoder, context: int | None
) -> None:
    made, choice = with_examples(encoder, NOTES, context)
    each = int(choice.value.split()[0])
    assert [shown(made).count(f"Kind: {kind}\n") for kind in KINDS] == [each] * 3
    assert context is None or made.longest <= context
    assert each == 4 or context is not None


def test_more_room_shows_more(encoder: Encoder) -> None:
    lengths = [len(with_examples(encoder, NOTES, context)[0].prefix) for context in (190, 300, 900)]
    assert lengths == sorted(set(lengths))


def test_their_order_is_not_that_of_the_notes(encoder: Encoder) -> None:
    one, other = (with_examples(encoder, notes, None)[0] for notes in (NOTES, NOTES[::-1]))
    assert one.prefix == other.prefix


def test_a_kind_with_few_notes_shows_those(encoder: Encoder) -> None:
    few = [note for note in NOTES if note[2] != "none"] + [NOTES[-1]]
    made, _ = with_examples(encoder, few, None)
    assert shown(made).count("Kind: none\n") == 1
    assert shown(made).count("Kind: lesson\n") == 4


def test_what_does_not_fit_is_one_line(encoder: Encoder) -> None:
    with pytest.raises(
        LearningError, match=r"does not fit into the [0-9]+ tokens that the base.s context leaves"
    ):
        with_examples(encoder, NOTES, 100)
