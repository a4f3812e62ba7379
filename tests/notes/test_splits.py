"""Groups share a split, and a split once assigned never changes."""

from collections import Counter, defaultdict

from hypothesis import example, given
from hypothesis import strategies as st

from nightschool.notes.note import Note
from nightschool.notes.splits import (
    MIN_NOTES_TO_MEASURE,
    Assignment,
    Split,
    assign,
    group_notes,
    number_groups,
)


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


def test_notes_with_nothing_in_common_are_groups_of_one() -> None:
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


def test_an_origin_named_like_a_file_is_another_group() -> None:
    assert _groups(_section("a.md", "x"), _taken("a.md")) == list("01")


def test_sources_are_ignored_without_same_source() -> None:
    notes = [_section("a.md", "x"), _section("a.md", "y"), _taken("book"), _taken("book")]
    assert _groups(*notes, same_source=False) == list("0123")


def test_group_numbers_match_the_groups_of_the_splits() -> None:
    notes = [_taken("book"), _section("a.md", "x"), _taken(" Book"), _section("a.md", "y")]
    one, other, *rest = number_groups([[note] for note in notes], [], True)
    assert one != other and rest == [one, other]
    assert len(set(number_groups([[note] for note in notes], [], False))) == 4
    assert len(set(number_groups([[note] for note in notes], [[0, 1]], True))) == 1


def test_groups_are_joined_by_near_duplicates_files_and_copies() -> None:
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


# How groups are assigned

IDS = [f"{number:02}" for number in range(40)]
given_groups = st.lists(st.tuples(st.integers(0, 12), st.sampled_from("ab")), max_size=40)
given_claims = st.dictionaries(
    st.sampled_from(IDS), st.sets(st.sampled_from(Split), min_size=1, max_size=2), max_size=20
)
shares = st.floats(0.05, 0.4)


def _assign(
    notes: list[tuple[int, str]],
    claims: dict[str, set[Split]] | None = None,
    test: float = 0.2,
    validation: float = 0.1,
) -> tuple[dict[str, str], dict[str, str], Assignment]:
    """Kinds, groups and the assignment of notes that are given as (group, kind)."""
    ids = IDS[: len(notes)]
    kinds = {id_: kind for id_, (_, kind) in zip(ids, notes, strict=True)}
    first: dict[int, str] = {}
    groups = {id_: first.setdefault(group, id_) for id_, (group, _) in zip(ids, notes, strict=True)}
    known = {id_: splits for id_, splits in (claims or {}).items() if id_ in kinds}
    assignment = assign(kinds, groups, known, test=test, validation=validation, seed=0)
    return kinds, groups, assignment


@given(given_groups, given_claims, shares, shares)
def test_no_group_has_two_splits(
    notes: list[tuple[int, str]], claims: dict[str, set[Split]], test: float, validation: float
) -> None:
    kinds, groups, assignment = _assign(notes, claims, test, validation)
    assert assignment.splits.keys() | assignment.left_out == kinds.keys()
    assert not assignment.splits.keys() & assignment.left_out
    splits = defaultdict(set)
    for id_, split in assignment.splits.items():
        splits[groups[id_]].add(split)
    assert all(len(of) == 1 and of <= set(Split) for of in splits.values())


@given(given_groups, given_claims, shares, shares)
def test_a_note_keeps_its_split_or_is_left_out_and_a_test_note_always_keeps_it(
    notes: list[tuple[int, str]], claims: dict[str, set[Split]], test: float, validation: float
) -> None:
    kinds, _, assignment = _assign(notes, claims, test, validation)
    for id_ in kinds.keys() & claims.keys():
        if id_ in assignment.splits:
            assert claims[id_] == {assignment.splits[id_]}
        if claims[id_] == {Split.TEST}:
            assert assignment.splits[id_] == Split.TEST


@given(given_groups, given_claims, shares, shares)
def test_a_new_note_joins_the_split_of_its_whole_group_or_none(
    notes: list[tuple[int, str]], claims: dict[str, set[Split]], test: float, validation: float
) -> None:
    kinds, groups, assignment = _assign(notes, claims, test, validation)
    for id_ in kinds.keys() - claims.keys():
        of_group = [claims[i] for i in kinds if groups[i] == groups[id_] and i in claims]
        if of_group:
            claimed = set[Split]().union(*of_group)
            assert {assignment.splits.get(id_)} == (claimed if len(claimed) == 1 else {None})
        else:
            assert id_ in assignment.splits


@given(st.lists(st.integers(0, 12), max_size=40), shares, shares)
@example([0, 0, 0, 1, 1, 1], 0.2, 0.1)
@example([0, 0, 0, 1], 0.2, 0.4)
def test_each_kind_of_two_groups_has_training_notes_and_about_its_share_of_test_notes(
    of_group: list[int], test: float, validation: float
) -> None:
    kinds, groups, assignment = _assign(
        [(g, "ab"[g % 2]) for g in of_group], None, test, validation
    )
    for kind in "ab":
        ids = [id_ for id_ in kinds if kinds[id_] == kind]
        sizes = Counter(groups[id_] for id_ in ids)
        counts = Counter(assignment.splits[id_] for id_ in ids)
        if len(ids) >= MIN_NOTES_TO_MEASURE and len(sizes) > 1:
            assert counts[Split.TRAIN] and counts[Split.TEST]
            assert abs(counts[Split.TEST] - test * len(ids)) <= max(sizes.values())
        else:
            assert set(counts) <= {Split.TRAIN}


def test_a_group_of_two_kinds_counts_for_both() -> None:
    mixed = [(g, kind) for g in range(10) for kind in "ab"]
    _, _, assignment = _assign(mixed, test=0.3, validation=0.2)
    assert Counter(assignment.splits.values()) == {"test": 6, "validation": 4, "train": 10}


def test_a_note_that_joins_splits_leaves_the_first_of_test_train_validation() -> None:
    claims = {"00": {Split.TRAIN}, "01": {Split.TEST}, "02": {Split.VALIDATION}}
    _, _, assignment = _assign([(0, "a")] * 4, claims)
    assert assignment == Assignment({"01": Split.TEST}, {"00", "02", "03"})
    _, _, assignment = _assign([(0, "a")] * 4, {"00": {Split.TRAIN}, "02": {Split.VALIDATION}})
    assert assignment == Assignment({"00": Split.TRAIN}, {"01", "02", "03"})


def test_a_note_that_resembles_former_notes_of_two_splits_is_left_out_and_claims_none() -> None:
    _, _, assignment = _assign(
        [(0, "a")] * 2, {"00": {Split.TRAIN, Split.TEST}, "01": {Split.TRAIN}}
    )
    assert assignment == Assignment({"01": Split.TRAIN}, {"00"})
