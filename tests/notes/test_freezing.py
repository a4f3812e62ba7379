"""Freezing assigns each labelled note to one split, and names what cannot be used."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nightschool.config.errors import NotesError
from nightschool.notes.dataset import Dataset
from nightschool.notes.freezing import freeze
from nightschool.notes.identity import content_id
from nightschool.notes.note import Note
from nightschool.notes.split_assignments import (
    SplitAssignments,
    read_split_assignments,
    write_split_assignments,
)
from nightschool.notes.splits import Split


def _notes(**counts: int) -> list[Note]:
    return [
        Note(f"{kind} number {n}", kind, f"{kind}/{n}.md")
        for kind, count in counts.items()
        for n in range(count)
    ]


def _freeze(notes: list[Note], splits: Mapping[str, str] | None = None, seed: int = 0) -> Dataset:
    return freeze(
        notes, test=0.2, validation=0.1, seed=seed, assignments=SplitAssignments(splits or {})
    )


def _splits(dataset: Dataset) -> dict[str, Split]:
    return {item.id: item.split for item in dataset.items}


def _counts(dataset: Dataset) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for item in dataset.items:
        counts[item.kind][item.split] += 1
    return counts


# Properties


# Few texts, so that there are copies and contradictions.
note_lists = st.lists(
    st.builds(
        lambda n, kind, shape, place: Note(shape.format(n), kind, f"{place}.md"),
        st.integers(0, 40),
        st.sampled_from(["a", "b", "決定 事項", None]),
        st.sampled_from(["note {}", "NOTE  {}", "ｎｏｔｅ\n{}"]),
        st.integers(0, 1000),
    ),
    max_size=80,
)
shares = st.floats(0.05, 0.4)


def _try(
    notes: list[Note], test: float, validation: float, splits: Mapping[str, str] | None = None
) -> Dataset | None:
    try:
        return freeze(
            notes,
            test=test,
            validation=validation,
            seed=3,
            assignments=SplitAssignments(splits or {}),
        )
    except NotesError:
        return None


@given(note_lists, shares, shares)
def test_every_item_has_one_split_and_one_kind(
    notes: list[Note], test: float, validation: float
) -> None:
    dataset = _try(notes, test, validation)
    if dataset is None:
        return
    kinds = defaultdict(set)
    for note in notes:
        if note.kind is not None:
            kinds[content_id(note.text)].add(note.kind)
    usable = {id_: of.pop() for id_, of in kinds.items() if len(of) == 1}
    assert {item.id: item.kind for item in dataset.items} == usable
    assert len(dataset.items) == len(usable)
    assert all(item.split in Split and content_id(item.text) == item.id for item in dataset.items)
    assert [item.id for item in dataset.items] == sorted(usable)


@given(note_lists, shares, shares, st.randoms())
def test_the_order_of_the_notes_does_not_matter(
    notes: list[Note], test: float, validation: float, random: Random
) -> None:
    notes = list({note.source: note for note in notes}.values())
    shuffled = random.sample(notes, len(notes))
    assert _try(notes, test, validation) == _try(shuffled, test, validation)


@given(note_lists, note_lists, shares, shares)
def test_adding_notes_moves_none_to_another_split(
    notes: list[Note], more: list[Note], test: float, validation: float
) -> None:
    before = _try(notes, test, validation)
    if before is None:
        return
    after = _try(notes + more, test, validation, _splits(before))
    if after is None:
        return
    known = _splits(before)
    assert all(known[id_] == split for id_, split in _splits(after).items() if id_ in known)


@given(note_lists, shares, shares)
def test_each_kind_with_three_notes_has_training_and_test_notes(
    notes: list[Note], test: float, validation: float
) -> None:
    dataset = _try(notes, test, validation)
    if dataset is None:
        return
    for counts in _counts(dataset).values():
        if counts.total() >= 3:
            assert counts["test"] >= 1 and counts["train"] >= 1
        else:
            assert set(counts) == {"train"}


@given(
    st.lists(st.sampled_from([*Split, "moon"]), max_size=20),
    st.integers(2, 10),
    st.floats(0.05, 0.7),
    st.floats(0.05, 0.7),
)
@example(["validation"] * 5, 2, 0.6, 0.1)
@example(["test"] * 5, 2, 0.2, 0.3)
def test_new_notes_fill_up_training_and_test_notes_whatever_was_assigned_before(
    known: list[str], new: int, test: float, validation: float
) -> None:
    notes = _notes(a=len(known) + new, b=5)
    before = {content_id(f"a number {n}"): split for n, split in enumerate(known)}
    dataset = freeze(
        notes, test=test, validation=validation, seed=0, assignments=SplitAssignments(before)
    )
    counts = _counts(dataset)["a"]
    if counts.total() >= 3:
        assert counts["train"] >= 1 and counts["test"] >= 1
    assigned = _splits(dataset)
    assert all(assigned[id_] == split for id_, split in before.items() if split in set(Split))


# Single behaviours


def test_the_shares_hold_for_each_kind() -> None:
    counts = _counts(_freeze(_notes(a=100, b=10)))
    assert counts["a"] == {"test": 20, "validation": 10, "train": 70}
    assert counts["b"] == {"test": 2, "validation": 1, "train": 7}


def test_another_seed_assigns_new_notes_differently_and_known_ones_alike() -> None:
    notes = _notes(a=50, b=50)
    first = _freeze(notes)
    assert _splits(_freeze(notes, seed=1)) != _splits(first)
    assert _freeze(notes, seed=1, splits=_splits(first)) == first


def test_a_note_that_leaves_and_returns_keeps_its_split(tmp_path: Path) -> None:
    notes = _notes(a=30, b=30)
    first = _freeze(notes)
    write_split_assignments(tmp_path / "sides.json", first.items)
    fewer = _freeze(notes[10:], dict(read_split_assignments(tmp_path / "sides.json").known))
    write_split_assignments(tmp_path / "sides.json", fewer.items)
    again = _splits(
        _freeze(notes + _notes(c=9), dict(read_split_assignments(tmp_path / "sides.json").known))
    )
    assert {id_: again[id_] for id_ in _splits(first)} == _splits(first)


def test_exact_copies_become_one_item_and_are_counted() -> None:
    notes = _notes(a=10, b=10)
    copies = [Note(f"  {n.text.upper()}\n", n.kind, f"copies/{n.source}") for n in notes[:3]]
    dataset = _freeze(notes + copies)
    assert dataset.items == _freeze(notes).items
    assert dataset.warnings == ("3 exact copies of other notes left out",)
    assert _freeze(notes + copies[:1]).warnings == ("1 exact copy of other notes left out",)


def test_a_copy_without_a_kind_changes_nothing() -> None:
    notes = _notes(a=10, b=10)
    assert _freeze([*notes, Note(notes[0].text, None, "0.md")]) == _freeze(notes)


def test_a_note_under_two_kinds_is_left_out_and_named() -> None:
    notes = [*_notes(a=10, b=10), Note("Both", "a", "a/both.md"), Note("both ", "b", "b/both.md")]
    dataset = _freeze(notes)
    assert dataset.items == _freeze(_notes(a=10, b=10)).items
    assert dataset.warnings == (
        "the same note has different kinds and is left out: a/both.md (a), b/both.md (b); decide on one kind",
    )
    many = [Note("Both", "a", f"a/{n}.md") for n in range(9)] + [Note("Both", "b", "b.md")]
    [warning, *_] = _freeze([*notes[:-2], *many]).warnings
    assert "left out: a/0.md (a), b.md (b), a/1.md (a), " in warning
    assert warning.endswith("a/6.md (a) and 2 more; decide on one kind")


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (
            1,
            'kind "b" has only 1 note, so it is trained on but not measured: add at least 2 more',
        ),
        (
            2,
            'kind "b" has only 2 notes, so it is trained on but not measured: add at least 1 more',
        ),
    ],
)
def test_a_kind_with_too_few_notes_to_measure_is_trained_on_and_named(
    count: int, expected: str
) -> None:
    dataset = _freeze(_notes(a=5, b=count))
    assert dataset.kinds == ("a", "b")
    assert _counts(dataset)["b"] == {"train": count}
    assert dataset.warnings == (expected,)


def test_many_small_kinds_share_one_warning() -> None:
    """As if the label column were a column of ids."""
    ids = [Note(f"{n * 7919:x}", f"id-{n:03}", f"a.csv:{n}") for n in range(300)]
    dataset = _freeze([*_notes(a=10, b=10), *ids])
    assert dataset.warnings == (
        "300 kinds have fewer than 3 notes, so they are trained on but not measured (are they kinds at all?): "
        "id-000, id-001, id-002, id-003, id-004, id-005, id-006, id-007 and 292 more",
    )
    with pytest.raises(NotesError) as caught:
        _freeze(ids)
    assert str(caught.value).endswith("id-007: 1 and 292 more)")


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ([], "none of 0 notes has a kind: put them into sub-folders named after their kinds, "),
        ([Note("x", None, "x.md")], "none of 1 notes has a kind: "),
        (_notes(lesson=9), 'there is only one kind, "lesson", so there is nothing to tell apart: '),
        (
            _notes(a=2, b=1),
            "no kind has 3 different notes, so nothing can be measured: add notes (a: 2, b: 1)",
        ),
        (
            [Note("same", "a", f"a/{n}.md") for n in range(9)]
            + [Note("other", "b", f"b/{n}.md") for n in range(9)],
            "no kind has 3 different notes, so nothing can be measured: add notes (a: 1, b: 1)",
        ),
        (
            [Note("same", "a", f"a/{n}.md") for n in range(9)],
            'there is only one kind, "a", so there is nothing to tell apart: ',
        ),
        (
            [Note("same", "a", "a.md"), Note("same", "b", "b.md")],
            "every note has two kinds, so none can be used: the same note has different kinds and is left "
            "out: a.md (a), b.md (b); decide on one kind",
        ),
    ],
)
def test_notes_that_make_no_dataset_are_refused_with_the_reason(
    notes: list[Note], expected: str
) -> None:
    with pytest.raises(NotesError) as caught:
        _freeze(notes)
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)


def test_a_single_kind_with_training_notes_is_refused() -> None:
    """The only note of kind b was a test note before."""
    known = {content_id("b number 0"): "test"}
    with pytest.raises(NotesError, match=r'^only "a" has training notes'):
        _freeze(_notes(a=9, b=1), known)


def test_the_fingerprint_covers_contents_kinds_splits_and_groups() -> None:
    notes = _notes(a=10, b=10)
    first = _freeze(notes)
    moved = {**_splits(first), first.items[0].id: Split.VALIDATION}
    changed = [Note(notes[0].text, "b", notes[0].source), *notes[1:]]
    two = [item.source for item in first.items if item.split == Split.TRAIN][:2]
    grouped = [replace(note, origin="book") if note.source in two else note for note in notes]
    assert _splits(_freeze(grouped, _splits(first))) == _splits(first)
    assert first.items[0].split != Split.VALIDATION
    prints = [
        first.fingerprint,
        _freeze(notes, moved).fingerprint,
        _freeze(changed, _splits(first)).fingerprint,
        _freeze(notes + _notes(c=1), _splits(first)).fingerprint,
        _freeze(grouped, _splits(first)).fingerprint,
    ]
    assert len(set(prints)) == 5
