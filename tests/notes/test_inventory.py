"""What the inventory counts."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from nightschool.notes.inventory import (
    Auc,
    ExpectedTestSplit,
    KindCount,
    SkippedCount,
    StyleShift,
    TruncationLoss,
    group_copies,
    take_inventory,
    truncation_loss,
    with_copies,
)
from nightschool.notes.kinds import FEW_NOTES
from nightschool.notes.note import LoadedNotes, Note, Skipped, SkipReason


def _loaded(*notes: Note) -> LoadedNotes:
    return LoadedNotes(notes, (), ())


def test_kinds_are_counted_with_lengths_and_languages() -> None:
    inventory = take_inventory(
        _loaded(
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


def test_lengths_in_tokens_show_what_each_truncation_loses() -> None:
    notes = [Note(str(n), "a" if n % 2 else None, str(n)) for n in range(4)]
    lengths = take_inventory(_loaded(*notes), tokens=[100, 200, 300, 400], limit=250).lengths
    assert (lengths.unit, lengths.median, lengths.p90, lengths.longest) == ("tokens", 200, 400, 400)
    assert lengths.cuts == (
        TruncationLoss(128, 0.75, (72 + 172 + 272) / 1000),
        TruncationLoss(250, 0.5, 200 / 1000),
        TruncationLoss(256, 0.5, (44 + 144) / 1000),
    )
    assert lengths.histogram == ((128, 0, 1), (256, 1, 0), (512, 1, 1))


def test_without_tokens_characters_are_counted_and_no_truncation_is_reported() -> None:
    lengths = take_inventory(
        _loaded(Note("four", "a", "1")), fallback_reason="the base is not on disk"
    ).lengths
    assert (lengths.unit, lengths.longest, lengths.cuts) == ("characters", 4, ())
    assert lengths.fallback_reason == "the base is not on disk"


@given(st.lists(st.integers(0, 5000), max_size=30), st.integers(1, 5000))
def test_a_higher_limit_loses_no_more(lengths: list[int], limit: int) -> None:
    one, more = truncation_loss(lengths, limit), truncation_loss(lengths, limit + 1)
    assert 0 <= more.notes <= one.notes <= 1
    assert 0 <= more.text <= one.text <= 1


@given(st.lists(st.integers(0, 9999), max_size=30))
def test_the_histogram_counts_every_note_once(lengths: list[int]) -> None:
    notes = [Note("x", "a" if n % 3 else None, str(n)) for n in range(len(lengths))]
    bars = take_inventory(
        _loaded(*notes), tokens=lengths, languages=["en"] * len(notes)
    ).lengths.histogram
    assert sum(labelled for _, labelled, _ in bars) == sum(n.kind is not None for n in notes)
    for upto, labelled, unlabelled in bars:
        within = [n for n in lengths if upto / 2 < max(1, n) <= upto]
        assert len(within) == labelled + unlabelled


def test_a_kind_with_few_notes_is_thin() -> None:
    notes = [Note(f"a{n}", "enough", f"a{n}") for n in range(FEW_NOTES)]
    notes += [Note(f"b{n}", "thin", f"b{n}") for n in range(FEW_NOTES - 1)]
    assert take_inventory(_loaded(*notes)).thin == ("thin",)


def test_copies_are_grouped_and_contradictions_listed_with_their_kinds() -> None:
    inventory = take_inventory(
        _loaded(
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


def test_near_duplicates_contradict_together_with_their_exact_copies() -> None:
    notes = [
        Note("one", "a", "1"),
        Note("one!", "a", "2"),
        Note("ONE", "b", "3"),
        Note("x", "b", "4"),
    ]
    inventory = take_inventory(_loaded(*notes), near=[[0, 1]])
    assert inventory.near_duplicates == (("1", "2"),)
    assert inventory.contradictions == (("1 (a)", "3 (b)", "2 (a)"),)


def test_every_note_is_in_one_group() -> None:
    notes = [Note(text, None, "") for text in ("a", "b", "A", "c", "d", "b")]
    same = group_copies(notes)
    assert same == [[0, 2], [1, 5], [3], [4]]
    assert with_copies(same, [[0, 3]]) == [[0, 2, 3], [1, 5], [4]]


def test_a_copy_without_a_kind_contradicts_nothing() -> None:
    inventory = take_inventory(_loaded(Note("same", "a", "1"), Note("same", None, "2")))
    assert inventory.duplicates == (("1", "2"),)
    assert inventory.contradictions == ()


def test_skipped_files_are_counted_by_reason_and_warnings_kept() -> None:
    skipped = (
        Skipped("1", SkipReason.BINARY),
        Skipped("2", SkipReason.EMPTY),
        Skipped("3", SkipReason.EMPTY),
        Skipped("4", SkipReason.SUFFIX, ".png"),
    )
    inventory = take_inventory(LoadedNotes((), skipped, ("a warning",)))
    assert inventory.skipped == (
        SkippedCount(SkipReason.EMPTY, "", "empty", 2, ("2", "3")),
        SkippedCount(SkipReason.BINARY, "", "binary file", 1, ("1",)),
        SkippedCount(SkipReason.SUFFIX, ".png", "not a note: .png", 1, ("4",)),
    )
    assert inventory.warnings == ("a warning",)


def test_an_empty_inventory_is_zero_and_serialisable() -> None:
    inventory = take_inventory(LoadedNotes((), (), ()), tokens=[])
    assert (inventory.total, inventory.kinds, inventory.thin) == (0, {}, ())
    assert inventory.lengths.cuts == (TruncationLoss(1024, 0, 0),)
    assert json.loads(json.dumps(inventory.as_dict()))["total"] == 0


def test_json_keeps_the_keys_of_version_0_1_0() -> None:
    shift = StyleShift(1, 2, Auc(0.5, 0.4, 0.6), None, (), "")
    expected = ExpectedTestSplit({"style": 1}, 1, (), "a problem")
    inventory = replace(
        take_inventory(_loaded(Note("x", "style", "1")), fallback_reason="no base"),
        style_shift=shift,
        to_measure=expected,
    ).as_dict()
    assert inventory["texture"]["form"] == {"value": 0.5, "low": 0.4, "high": 0.6}
    assert inventory["lengths"]["why"] == "no base"
    assert inventory["to_measure"]["why_not"] == "a problem"
    assert set(inventory["kinds"]) == set(inventory["to_measure"]["kinds"]) == {"style"}
