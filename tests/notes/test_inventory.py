"""The counts that the owner sees before a night."""

import json

from nightschool.notes.inventory import THIN, KindCount, take
from nightschool.notes.readers import Note, Reading, Skipped


def _reading(*notes: Note) -> Reading:
    return Reading(notes, (), ())


def test_kinds_are_counted_with_lengths_and_the_share_of_japanese_notes() -> None:
    inventory = take(
        _reading(
            Note("会議のメモ", "b", "1"),
            Note("x" * 11, "b", "2"),
            Note("x" * 40, "b", "3"),
            Note("mostly English, one 本", "b", "4"),
            Note("one", "a", "5"),
            Note("loose", None, "6"),
        )
    )
    assert (inventory.total, inventory.unlabelled) == (6, 1)
    assert inventory.kinds == {"a": KindCount(1, 3, 3, 0.0), "b": KindCount(4, 16, 40, 0.25)}
    assert list(inventory.kinds) == ["a", "b"]


def test_a_kind_below_the_limit_is_thin() -> None:
    notes = [Note(f"a{n}", "enough", f"a{n}") for n in range(THIN)]
    notes += [Note(f"b{n}", "thin", f"b{n}") for n in range(THIN - 1)]
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


def test_a_copy_without_a_kind_contradicts_nothing() -> None:
    inventory = take(_reading(Note("same", "a", "1"), Note("same", None, "2")))
    assert inventory.duplicates == (("1", "2"),)
    assert inventory.contradictions == ()


def test_skipped_files_are_counted_by_their_reason_and_warnings_kept() -> None:
    skipped = (Skipped("1", "empty"), Skipped("2", "binary file"), Skipped("3", "empty"))
    inventory = take(Reading((), skipped, ("a warning",)))
    assert inventory.skipped == {"empty": 2, "binary file": 1}
    assert inventory.warnings == ("a warning",)


def test_an_inventory_of_nothing_is_all_zero_and_json() -> None:
    inventory = take(Reading((), (), ()))
    assert (inventory.total, inventory.kinds, inventory.thin) == (0, {}, ())
    assert json.loads(json.dumps(inventory.as_dict()))["total"] == 0
