"""What belongs together stands on one side, and a side that was given is never changed."""

from collections import Counter, defaultdict

from hypothesis import example, given
from hypothesis import strategies as st

from nightschool.notes.readers import Note
from nightschool.notes.sides import SIDES
from nightschool.notes.splits import LEAST, Split, deal, group_notes


def _groups(*places: str | tuple[str, str | None], same_source: bool = True) -> list[str]:
    """The groups of notes "0", "1", ... that stand at these sources (and origins)."""
    copies = {}
    for number, place in enumerate(places):
        source, origin = (place, None) if isinstance(place, str) else place
        copies[str(number)] = [Note("text", "kind", source, origin)]
    return list(group_notes(copies, [], same_source).values())


# Which notes belong together


def test_notes_without_anything_in_common_are_groups_of_one() -> None:
    assert _groups("a/1.md", "a/2.md", "b/1.md") == ["0", "1", "2"]


def test_notes_that_were_split_from_one_file_are_a_group() -> None:
    assert _groups("a/1.md#One", "a/2.md#One", "a/1.md#Two", "1.md#One") == ["0", "1", "0", "3"]
    assert _groups("会議 A.TXT#一", "会議 A.TXT#二", "会議.txt#一") == ["0", "0", "2"]


def test_a_number_sign_in_a_name_is_no_heading() -> None:
    assert _groups("C#/1.md", "C#/2.md", "C#/2.md#One", "C#/2.md#Two.md#x") == ["0", "1", "2", "2"]


def test_rows_of_one_table_are_no_group() -> None:
    assert _groups("notes.csv:2", "notes.csv:3", "notes.jsonl:1") == ["0", "1", "2"]


def test_notes_of_one_origin_are_a_group() -> None:
    assert _groups(("1", "A Book"), ("2", None), ("3", " a  book"), ("4", "")) == list("0103")
    assert _groups(
        ("1", "https://example.org/a#one"), ("2", "https://example.org/a/"), ("3", "https://example.org/b")
    ) == ["0", "0", "2"]  # fmt: skip


def test_sources_are_not_asked_for_where_the_owner_does_not_want_it() -> None:
    assert _groups("1.md#a", "1.md#b", ("2", "x"), ("3", "x"), same_source=False) == list("0123")


def test_groups_hang_together_through_near_duplicates_files_and_copies() -> None:
    copies = {
        "a": [Note("", "k", "1.md#x")],
        "b": [Note("", "k", "0.md"), Note("", "k", "1.md#y"), Note("", "k", "2.md", "book")],
        "c": [Note("", "k", "3.md", "book")],
        "d": [Note("", "k", "4.md")],
        "e": [Note("", "k", "5.md")],
    }
    assert group_notes(copies, [[2, 3]], True) == dict.fromkeys("abcd", "a") | {"e": "e"}
    assert group_notes(copies, [[2, 3]], False) == {
        "a": "a",
        "b": "b",
        "c": "c",
        "d": "c",
        "e": "e",
    }


# How groups are dealt

IDS = [f"{number:02}" for number in range(40)]
given_groups = st.lists(st.tuples(st.integers(0, 12), st.sampled_from("ab")), max_size=40)
given_claims = st.dictionaries(
    st.sampled_from(IDS), st.sets(st.sampled_from(SIDES), min_size=1, max_size=2), max_size=20
)
shares = st.floats(0.05, 0.4)


def _deal(
    dealt: list[tuple[int, str]],
    claims: dict[str, set[str]] | None = None,
    test: float = 0.2,
    validation: float = 0.1,
) -> tuple[dict[str, str], dict[str, str], Split]:
    """Kinds, groups and the split of notes that come as (group, kind)."""
    ids = IDS[: len(dealt)]
    kinds = {id_: kind for id_, (_, kind) in zip(ids, dealt, strict=True)}
    first: dict[int, str] = {}
    groups = {id_: first.setdefault(group, id_) for id_, (group, _) in zip(ids, dealt, strict=True)}
    known = {id_: sides for id_, sides in (claims or {}).items() if id_ in kinds}
    split = deal(kinds, groups, known, test=test, validation=validation, seed=0)
    return kinds, groups, split


@given(given_groups, given_claims, shares, shares)
def test_no_group_stands_on_two_sides(
    dealt: list[tuple[int, str]], claims: dict[str, set[str]], test: float, validation: float
) -> None:
    kinds, groups, split = _deal(dealt, claims, test, validation)
    assert split.sides.keys() | split.left_out.keys() == kinds.keys()
    assert not split.sides.keys() & split.left_out.keys()
    stands = defaultdict(set)
    for id_, side in split.sides.items():
        stands[groups[id_]].add(side)
    assert all(len(sides) == 1 and sides <= set(SIDES) for sides in stands.values())


@given(given_groups, given_claims, shares, shares)
def test_a_note_keeps_its_side_or_is_left_out_and_a_test_note_always_keeps_it(
    dealt: list[tuple[int, str]], claims: dict[str, set[str]], test: float, validation: float
) -> None:
    kinds, _, split = _deal(dealt, claims, test, validation)
    for id_ in kinds.keys() & claims.keys():
        if id_ in split.sides:
            assert claims[id_] == {split.sides[id_]}
        if claims[id_] == {"test"}:
            assert split.sides[id_] == "test"


@given(given_groups, given_claims, shares, shares)
def test_a_new_note_goes_where_all_of_its_group_are_or_nowhere(
    dealt: list[tuple[int, str]], claims: dict[str, set[str]], test: float, validation: float
) -> None:
    kinds, groups, split = _deal(dealt, claims, test, validation)
    for id_ in kinds.keys() - claims.keys():
        of_group = [claims[i] for i in kinds if groups[i] == groups[id_] and i in claims]
        if of_group:
            claimed = set[str]().union(*of_group)
            assert {split.sides.get(id_)} == (claimed if len(claimed) == 1 else {None})
        else:
            assert id_ in split.sides


@given(st.lists(st.integers(0, 12), max_size=40), shares, shares)
@example([0, 0, 0, 1, 1, 1], 0.2, 0.1)
@example([0, 0, 0, 1], 0.2, 0.4)
def test_each_kind_of_two_groups_is_trained_on_and_measured_near_its_share(
    of_group: list[int], test: float, validation: float
) -> None:
    kinds, groups, split = _deal([(g, "ab"[g % 2]) for g in of_group], None, test, validation)
    for kind in "ab":
        ids = [id_ for id_ in kinds if kinds[id_] == kind]
        sizes = Counter(groups[id_] for id_ in ids)
        sides = Counter(split.sides[id_] for id_ in ids)
        if len(ids) >= LEAST and len(sizes) > 1:
            assert sides["train"] and sides["test"]
            assert abs(sides["test"] - test * len(ids)) <= max(sizes.values())
        else:
            assert set(sides) <= {"train"}


def test_a_group_of_two_kinds_counts_for_both() -> None:
    mixed = [(g, kind) for g in range(10) for kind in "ab"]
    _, _, split = _deal(mixed, test=0.3, validation=0.2)
    assert Counter(split.sides.values()) == {"test": 6, "validation": 4, "train": 10}


def test_the_first_of_test_train_validation_stays_where_a_new_note_joins_them() -> None:
    claims = {"00": {"train"}, "01": {"test"}, "02": {"validation"}}
    _, _, split = _deal([(0, "a")] * 4, claims)
    assert split == Split({"01": "test"}, {"00": "test", "02": "test", "03": "test"})
    _, _, split = _deal([(0, "a")] * 4, {"00": {"train"}, "02": {"validation"}})
    assert split == Split({"00": "train"}, {"01": "train", "02": "train", "03": "train"})


def test_a_note_that_resembles_former_notes_of_two_sides_is_left_out_and_claims_none() -> None:
    _, _, split = _deal([(0, "a")] * 2, {"00": {"train", "test"}, "01": {"train"}})
    assert split == Split({"01": "train"}, {"00": "train"})
