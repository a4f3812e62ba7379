"""Notes of no kind are proposed before notes of one."""

from __future__ import annotations

import pytest

from nightschool.scoring.none_proposals import far_from_every_kind
from tests.conftest import OPENINGS, THINGS

RECIPES = (
    "Bread: 500 g flour, 350 g water, 10 g salt, an hour in the oven.",
    "牛乳とバターを弱火で煮て、塩を少々。",
    "Pancakes: two eggs, milk, sugar; fry in butter.",
)
KNOWN = [OPENINGS[kind].format(thing) for kind in ("decision", "lesson") for thing in THINGS[:8]]
KINDS = ["decision"] * 8 + ["lesson"] * 8
OTHERS = [OPENINGS[kind].format(thing) for kind in ("decision", "lesson") for thing in THINGS[8:]]


@pytest.mark.parametrize("known_none", [0, 1])
def test_what_is_of_no_kind_comes_first(known_none: int) -> None:
    pool = [*OTHERS[:4], *RECIPES[known_none:], *OTHERS[4:]]
    texts, kinds = [*KNOWN, *RECIPES[:known_none]], [*KINDS, *["none"] * known_none]
    found = far_from_every_kind(texts, kinds, pool, "none")
    assert sorted(index for index, _, _ in found) == list(range(len(pool)))
    first = {pool[index] for index, _, _ in found[: 3 - known_none]}
    assert first == set(RECIPES[known_none:])
    names = {*KINDS, *kinds}
    assert all(guess in names and 0 <= chance <= 1 for _, guess, chance in found)


def test_one_kind_alone_is_enough_to_be_far_from() -> None:
    found = far_from_every_kind(KNOWN[:8], ["decision"] * 8, [*OTHERS[:2], RECIPES[0]])
    assert found[0] == (2, "decision", 1.0)


@pytest.mark.parametrize(
    ("kinds", "pool"), [([], ["a pool"]), (["lesson"], []), (["none"], ["a pool"])]
)
def test_without_a_kind_or_a_pool_nothing_is_proposed(kinds: list[str], pool: list[str]) -> None:
    assert far_from_every_kind(["a note"] * len(kinds), kinds, pool, "none") == []
