from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nightschool.learning.fast.graphs import sizes
from nightschool.learning.memory_plan import GRAPHS


@given(st.lists(st.integers(1, 6000), min_size=1, max_size=300), st.integers(1, 20))
def test_every_pack_fits_into_one_of_few_sizes(packs: list[int], most: int) -> None:
    chosen = sizes(packs, most)
    assert len(chosen) <= most
    assert chosen == sorted(chosen)
    assert chosen[-1] >= max(packs) > chosen[-1] - 8
    assert all(size % 8 == 0 for size in chosen)


def test_packs_are_filled_up_by_little() -> None:
    packs = [1000 + 13 * number for number in range(200)]
    chosen = sizes(packs, GRAPHS[0])
    filled = [next(size for size in chosen if size >= pack) for pack in packs]
    assert sum(filled) < 1.08 * sum(packs)
