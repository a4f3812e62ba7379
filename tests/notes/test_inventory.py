"""The counts that the owner sees before a night."""

import json

from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.inventory import Cut, KindCount, alike, copies, share_over, take
from nightschool.notes.kinds import FEW_NOTES
from nightschool.notes.readers import LoadedNotes, Note, Skipped


def _reading(*notes: Note) -> LoadedNotes:
    return LoadedNotes(notes, (), ())


def test_kinds_are_counted_with_lengths_and_languages() -> None:
    inventory = take(
        _reading(
            Note("会議のメモ", "b", "1"),
            Note("x" * 11, "b", "2"),
            Note("x" * 40, "b", "3"),
            Note("Mostly English words, and one 本", "b", "4"),
            Note(" one ", "a", "5"),
            Note("loose", None, "6"),
        ),
        languages=["ja", "unsure", "unsure", "en", "en", "en"],
    )
    assert (inventory.total, inventory.unlabelled) == (6, 1)
    assert inventory.kinds == {
        "a": KindCount(1, 3, 3, 3, {"en": 1}),
        "b": KindCount(4, 11, 40, 40, {"unsure": 2, "en": 1, "ja": 1}),
    }
    assert list(inventory.kinds) == ["a", "b"]
    assert inventory.languages == {"en": 3, "unsure": 2, "ja": 1}


def test_lengths_in_tokens_tell_what_each_cut_loses() -> None:
    notes = [Note(str(n), "a" if n % 2 else None, str(n)) for n in range(4)]
    lengths = take(_reading(*notes), tokens=[100, 200, 300, 400], limit=250).lengths
    assert (lengths.unit, lengths.median, lengths.p90, lengths.longest) == ("tokens", 200, 400, 400)
    assert lengths.cuts == (
        Cut(128, 0.75, (72 + 172 + 272) / 1000),
        Cut(250, 0.5, 200 / 1000),
        Cut(256, 0.5, (44 + 144) / 1000),
    )
    assert lengths.histogram == ((128, 0, 1), (256, 1, 0), (512, 1, 1))


def test_without_tokens_characters_are_counted_and_no_cut_is_claimed() -> None:
    lengths = take(_reading(Note("four", "a", "1")), why="the base is not on disk").lengths
    assert (lengths.unit, lengths.longest, lengths.cuts) == ("characters", 4, ())
    assert lengths.why == "the base is not on disk"


@given(st.lists(st.integers(0, 5000), max_size=30), st.integers(1, 5000))
def test_a_cut_at_more_tokens_loses_no_more(lengths: list[int], limit: int) -> None:
    one, more = share_over(lengths, limit), share_over(lengths, limit + 1)
    assert 0 <= more.notes <= one.notes <= 1
    assert 0 <= more.text <= one.text <= 1


@given(st.lists(st.integers(0, 9999), max_size=30))
def test_the_histogram_counts_every_note_once(lengths: list[int]) -> None:
    notes = [Note("x", "a" if n % 3 else None, str(n)) for n in range(len(lengths))]
    bars = take(_reading(*notes), tokens=lengths, languages=["en"] * len(notes)).lengths.histogram
    assert sum(labelled for _, labelled, _ in bars) == sum(n.kind is not None for n in notes)
    for upto, labelled, unlabelled in bars:
        within = [n for n in lengths if upto / 2 < max(1, n) <= upto]
        assert len(within) == labelled + unlabelled


def test_a_kind_below_the_limit_is_thin() -> None:
    notes = [Note(f"a{n}", "enough", f"a{n}") for n in range(FEW_NOTES)]
    notes += [Note(f"b{n}", "thin", f"b{n}") for n in range(FEW_NOTES - 1)]
    assert take(_reading(*notes)).thin == ("thin",)


def test_copies_are_grouped_and_contradictions_named_with_their_kinds() -> None:
    inventory = take(
        _reading(
            Note("Same note", "a", "1"),
            Note("same  NOTE", "a", "2"),
            Note("Other", "a", "3"),
            Note("other", "b", "4"),
            Note("OTHER", None, "5"),
            Note("alone", "a", "6"),
        )
    )
    assert inventory.duplicates == (("1", "2"), ("3", "4", "5"))
    assert inventory.contradictions == (("3 (a)", "4 (b)"),)
    assert inventory.near_duplicates is None


def test_near_copies_contradict_with_all_exact_copies_of_them() -> None:
    notes = [
        Note("one", "a", "1"),
        Note("one!", "a", "2"),
        Note("ONE", "b", "3"),
        Note("x", "b", "4"),
    ]
    inventory = take(_reading(*notes), near=[[0, 1]])
    assert inventory.near_duplicates == (("1", "2"),)
    assert inventory.contradictions == (("1 (a)", "3 (b)", "2 (a)"),)


def test_alike_notes_are_each_in_one_group() -> None:
    notes = [Note(text, None, "") for text in ("a", "b", "A", "c", "d", "b")]
    same = copies(notes)
    assert same == [[0, 2], [1, 5], [3], [4]]
    assert alike(same, [[0, 3]]) == [[0, 2, 3], [1, 5], [4]]


def test_a_copy_without_a_kind_contradicts_nothing() -> None:
    inventory = take(_reading(Note("same", "a", "1"), Note("same", None, "2")))
    assert inventory.duplicates == (("1", "2"),)
    assert inventory.contradictions == ()


def test_skipped_files_are_counted_by_their_reason_and_warnings_kept() -> None:
    skipped = (Skipped("1", "binary file"), Skipped("2", "empty"), Skipped("3", "empty"))
    inventory = take(LoadedNotes((), skipped, ("a warning",)))
    assert inventory.skipped == {"empty": 2, "binary file": 1}
    assert inventory.warnings == ("a warning",)


def test_an_inventory_of_nothing_is_all_zero_and_json() -> None:
    inventory = take(LoadedNotes((), (), ()), tokens=[])
    assert (inventory.total, inventory.kinds, inventory.thin) == (0, {}, ())
    assert inventory.lengths.cuts == (Cut(1024, 0, 0),)
    assert json.loads(json.dumps(inventory.as_dict()))["total"] == 0
