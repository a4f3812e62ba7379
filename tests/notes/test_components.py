"""Connected components."""

from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.components import Components

pairs = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=20)


@given(pairs)
def test_components_are_the_reachable_members(joined: list[tuple[int, int]]) -> None:
    found = Components(15)
    reach = {n: {n} for n in range(15)}
    whole = Components(15)
    whole.join_all(joined)
    for one, other in joined:
        found.join(one, other)
        together = reach[one] | reach[other]
        reach.update(dict.fromkeys(together, together))
    expected = sorted({tuple(sorted(group)) for group in reach.values() if len(group) > 1})
    assert found.groups() == whole.groups() == [list(group) for group in expected]
    for one in range(15):
        for other in range(15):
            assert (found.label[one] == found.label[other]) == (other in reach[one])
