"""What belongs together stands on one side, and a side that was given is never changed."""

from collections import Counter, defaultdict

from hypothesis import example, given
from hypothesis import strategies as st

from nightschool.notes.readers import Note
from nightschool.notes.split_assignments import SPLITS
from nightschool.notes.splits import LEAST, Split, deal, group_notes, number_groups


def _groups(*notes: Note, same_source: bool = True) -> list[str]:
    """The groups of notes of different contents "0", "1", ..."""
    return list(
        group_notes({str(n): [note] for n, note in enumerate(notes)}, [], same_source).values()
    )


def _section(file: str, heading: str) -> Note:
    return Note("text", "kind", f"{file}#{heading}", section_of=file)


def _taken(origin: str) -> Note:
    return Note("text", "kind", "note.md", origin=origin)


# Which notes belong together


def test_notes_without_anything_in_common_are_groups_of_one() -> None:
    sources = ["a/1.md", "a/2.md", "notes.csv:2", "notes.csv:3", "C#/1.md", "C#/2.md"]
    assert _groups(*(Note("text", "kind", source) for source in sources)) == list("012345")


def test_notes_that_were_split_from_one_file_are_a_group() -> None:
    one, other = "a/会議 1.md", "b/会議 1.md"
    sections = [_section(one, "x"), _section(other, "x"), _section(one, "y"), _section(other, "y")]
    assert _groups(*sections) == list("0101")


def test_notes_of_one_origin_are_a_group() -> None:
    assert _groups(*map(_taken, ["A Book", "", " a  book", "", "Ａ Book"])) == list("01030")
    urls = ["https://example.org/a#one", "https://example.org/a/", "https://example.org/b"]
    assert _groups(*map(_taken, urls)) == list("002")


def test_an_origin_with_the_name_of_a_file_is_something_else() -> None:
    assert _groups(_section("a.md", "x"), _taken("a.md")) == list("01")


def test_sources_are_not_asked_for_where_the_owner_does_not_want_it() -> None:
    notes = [_section("a.md", "x"), _section("a.md", "y"), _taken("book"), _taken("book")]
    assert _groups(*notes, same_source=False) == list("0123")


def test_notes_are_numbered_by_the_groups_that_they_are_dealt_in() -> None:
    notes = [_taken("book"), _section("a.md", "x"), _taken(" Book"), _section("a.md", "y")]
    one, other, *rest = number_groups([[note] for note in notes], [], True)
    assert one != other and rest == [one, other]
    assert len(set(number_groups([[note] for note in notes], [], False))) == 4
    assert len(set(number_groups([[note] for note in notes], [[0, 1]], True))) == 1


def test_groups_hang_together_through_near_duplicates_files_and_copies() -> None:
    copies = {
        "a": [_section("1.md", "x")],
        "b": [_taken(""), _section("1.md", "y"), _taken("book")],
        "c": [_taken("book")],
        "d": [_taken("")],
        "e": [_taken("")],
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
    st.sampled_from(IDS), st.sets(st.sampled_from(SPLITS), min_size=1, max_size=2), max_size=20
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
    assert all(len(sides) == 1 and sides <= set(SPLITS) for sides in stands.values())


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
