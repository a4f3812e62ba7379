"""No test note leaks into training, whatever notes come, go, move and are edited."""

import hashlib
import itertools
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nightschool
from nightschool.config.errors import NotesError
from nightschool.notes.dataset import Dataset, load, write
from nightschool.notes.duplicates import near_duplicates
from nightschool.notes.freezing import freeze
from nightschool.notes.identity import content_id
from nightschool.notes.note import Note
from nightschool.notes.readers import read_notes
from nightschool.notes.split_assignments import (
    SplitAssignments,
    read_split_assignments,
    write_split_assignments,
)
from nightschool.notes.splits import Split

# Notes that resemble one another: windows of 30 words into one of four texts. Near-duplicates are those
# whose starts lie up to 4 words apart; so 0 and 8 are none, until 4 comes and joins them.
VOCABULARY = [hashlib.sha256(str(n).encode()).hexdigest()[:6] for n in range(4 * 48)]


DEMO_NOTES = Path(nightschool.__file__).parent / "demo" / "notes"


def _window(text: int, start: int) -> str:
    return " ".join(VOCABULARY[text * 48 + start : text * 48 + start + 30])


# So that there is always something to train on and to measure.
LOOSE = [Note(f"{kind} number {n}", kind, f"{kind}/{n}.md") for kind in "ab" for n in range(6)]


def _freeze(
    notes: list[Note], assignments: SplitAssignments | None = None, test: float = 0.2
) -> Dataset:
    return freeze(notes, test=test, validation=0.1, seed=0, assignments=assignments)


def _splits(dataset: Dataset) -> dict[str, Split]:
    return {item.id: item.split for item in dataset.items}


windows = st.lists(
    st.builds(
        lambda text, start, kind, file, origin: Note(
            _window(text, start), kind, f"{file or text}#{start}", file, origin
        ),
        st.integers(0, 3),
        st.sampled_from(range(0, 20, 4)),
        st.sampled_from("ab"),
        st.sampled_from(["", "", "1.md", "2.md"]),
        st.sampled_from(["", "", "", "book"]),
    ),
    max_size=14,
)


def _touch(one: Note, other: Note) -> bool:
    places = [VOCABULARY.index(note.text.split(" ")[0]) for note in (one, other)]
    return (
        (places[0] // 48 == places[1] // 48 and abs(places[0] - places[1]) <= 4)
        or one.origin == other.origin != ""
        or one.section_of == other.section_of != ""
    )


def _components(notes: list[Note]) -> list[set[str]]:
    """Contents that hang together, by the definition."""
    reach = {content_id(note.text): {content_id(note.text)} for note in notes}
    for one, other in itertools.combinations(notes, 2):
        if _touch(one, other):
            together = reach[content_id(one.text)] | reach[content_id(other.text)]
            reach.update(dict.fromkeys(together, together))
    return list(reach.values())


def _of_one_kind(notes: list[Note]) -> list[Note]:
    """Without contents under two kinds, which are left out."""
    kinds = defaultdict(set)
    for note in notes:
        kinds[content_id(note.text)].add(note.kind)
    return [note for note in notes if len(kinds[content_id(note.text)]) == 1]


@settings(max_examples=30)
@given(st.lists(windows, min_size=1, max_size=5), st.floats(0.05, 0.4), st.randoms())
def test_adding_and_removing_notes_leaks_nothing_and_moves_nothing(
    history: list[list[Note]], test: float, random: Random
) -> None:
    assignments = SplitAssignments().after(_freeze(LOOSE).items)
    for notes in map(_of_one_kind, history):
        dataset = _freeze([*LOOSE, *notes], assignments, test)
        assigned, groups = _splits(dataset), {item.id: item.group for item in dataset.items}
        for component in _components(notes):
            items = component & assigned.keys()
            assert len({assigned[id_] for id_ in items}) <= 1
            assert {groups[id_] for id_ in items} == {min(items, default=None)} - {None}
            measured = {id_ for id_ in component if assignments.known.get(id_) == "test"}
            if measured:
                assert measured <= items and {assigned[id_] for id_ in items} == {"test"}
        assert all(assignments.known.get(id_, split) == split for id_, split in assigned.items())
        shuffled = random.sample([*LOOSE, *notes], len(LOOSE) + len(notes))
        assert _freeze(shuffled, assignments, test).fingerprint == dataset.fingerprint
        assignments = assignments.after(dataset.items)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(range(0, 20, 4))), min_size=1),
    st.integers(0, 29),
)
def test_a_note_that_moves_and_is_edited_keeps_its_split(
    places: list[tuple[int, int]], word: int
) -> None:
    notes = [Note(_window(*place), "a", "1.md") for place in places]
    first = _freeze([*LOOSE, *notes])
    edited = []
    for note in notes:
        words = note.text.split(" ")
        words[word] = "edited"
        edited.append(Note(" ".join(words), "a", "elsewhere/2.md"))
    second = _freeze([*LOOSE, *edited], SplitAssignments().after(first.items))
    before = {item.text: item.split for item in first.items}
    after = {item.text: item.split for item in second.items}
    assert [after[note.text] for note in edited] == [before[note.text] for note in notes]


def test_real_notes_that_are_copied_and_edited_for_weeks_never_leak(tmp_path: Path) -> None:
    """The demo's notes; each week some are edited, copied with changes, deleted, brought back."""
    chance = Random(0)
    read = read_notes(DEMO_NOTES).notes
    notes = [note for note in read if note.kind is not None]
    ever: dict[str, set[str]] = defaultdict(set)
    joined = 0
    for week in range(6):
        dataset = freeze(
            notes,
            test=0.2,
            validation=0.1,
            seed=0,
            assignments=read_split_assignments(tmp_path / "sides.json"),
        )
        write_split_assignments(tmp_path / "sides.json", dataset.items)
        for group in near_duplicates([item.text for item in dataset.items]):
            assert len({dataset.items[number].split for number in group}) == 1
            joined += 1
        for item in dataset.items:
            ever[item.id].add(item.split)
        copies = [
            replace(note, text=f"{note.text} ({week})", source=f"copy-{week}-{note.source}")
            for note in chance.sample(notes, 10)
        ]
        notes = [*chance.sample(notes, len(notes) - 8), *copies, *chance.sample(read, 3)]
    assert joined > 50
    assert all(len(splits) == 1 for splits in ever.values())


def test_a_note_that_joins_a_training_note_to_a_test_note_is_left_out_with_the_training_note() -> (
    None
):
    ends = [Note(_window(0, 0), "a", "one.md"), Note(_window(0, 8), "a", "other.md")]
    bridge = Note(_window(0, 4), "a", "bridge.md")
    train, test = content_id(ends[0].text), content_id(ends[1].text)
    known = _splits(_freeze(LOOSE)) | {train: Split.TRAIN, test: Split.TEST}
    apart = _freeze([*LOOSE, *ends], SplitAssignments(known))
    assert _splits(apart) == known and apart.warnings == ()
    joined = _freeze([*LOOSE, *ends, bridge], SplitAssignments(known))
    assert _splits(joined) == {id_: split for id_, split in known.items() if id_ != train}
    assert sorted(joined.warnings) == [
        "2 notes left out, because their near-duplicates, or notes of the same file or source, are in "
        "another split: bridge.md, one.md"
    ]
    # Without the note that joins them, everything is as before.
    assert _freeze([*LOOSE, *ends], SplitAssignments(known).after(joined.items)) == apart


def test_near_duplicates_of_two_kinds_share_a_split(tmp_path: Path) -> None:
    pairs = [
        Note(_window(n, start), "ab"[start // 4], f"{n}.md") for n in range(4) for start in (0, 4)
    ]
    dataset = _freeze([*LOOSE, *pairs], test=0.4)
    of_pairs = [item for item in dataset.items if "number" not in item.text]
    assert Counter(Counter(item.group for item in of_pairs).values()) == {2: 4}
    assert len({(item.group, item.split) for item in of_pairs}) == 4
    write(dataset, tmp_path / "one")
    assert load(tmp_path / "one") == dataset


def test_a_kind_of_a_single_group_is_trained_on_and_named() -> None:
    group = [Note(_window(0, start), "c", f"{start}.md") for start in range(0, 20, 4)]
    dataset = _freeze([*LOOSE, *group])
    of_kind = [item for item in dataset.items if item.kind == "c"]
    assert [item.split for item in of_kind] == ["train"] * 5
    assert {item.group for item in of_kind} == {min(item.id for item in of_kind)}
    assert dataset.warnings == (
        'kind "c" has 5 notes but no test note, because they are near-duplicates, of one file or source, '
        "or were trained on before: add others",
    )


def test_notes_that_are_all_near_duplicates_are_refused_with_the_reason() -> None:
    notes = [Note(_window(n % 2, 4 * (n % 5)), "ab"[n % 2], f"{n}.md") for n in range(10)]
    with pytest.raises(NotesError) as caught:
        _freeze(notes)
    assert str(caught.value) == (
        "there are no test notes, because the notes of each kind are near-duplicates, of one file or source "
        "(see split.same_source), or were trained on before: add notes (a: 5, b: 5)"
    )


def test_a_kind_without_training_notes_is_named() -> None:
    only = Note("c number 0", "c", "c.md")
    dataset = _freeze([*LOOSE, only], SplitAssignments({content_id(only.text): "test"}))
    assert dataset.warnings == ('kind "c" has no training note left: add some notes',)


def test_notes_of_one_source_share_a_split_unless_switched_off() -> None:
    notes = [replace(note, section_of="all.md") for note in LOOSE]
    with pytest.raises(NotesError, match="there are no test notes"):
        _freeze(notes)
    loose = freeze(notes, test=0.2, validation=0.1, seed=0, same_source=False)
    assert loose.items == _freeze(LOOSE).items


def test_a_source_shared_by_most_notes_is_named() -> None:
    notes = (
        [replace(note, origin="web") for note in LOOSE[:5] + LOOSE[6:8]] + LOOSE[5:6] + LOOSE[8:]
    )
    dataset = _freeze(notes)
    (group,) = {item.group for item in dataset.items if item.group != item.id}
    of_group = [item.source for item in dataset.items if item.group == group]
    assert len(of_group) == 7
    assert dataset.warnings == (
        "7 of 12 notes share one split, because they are near-duplicates or of one file or source: "
        f"{of_group[0]}, {of_group[1]}, ... (if the source does not matter, set split.same_source = false)",
    )
    assert _freeze([*notes, *(replace(n, text=f"{n.text} more") for n in LOOSE)]).warnings == ()
