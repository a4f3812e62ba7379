"""Split assignments are kept in a file, and an edited note keeps the split of its former text."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nightschool.config.errors import DamagedFile
from nightschool.notes import split_assignments as module
from nightschool.notes.dataset import Item
from nightschool.notes.duplicates import VERSION, signatures
from nightschool.notes.identity import content_id
from nightschool.notes.split_assignments import (
    SplitAssignments,
    read_split_assignments,
    write_split_assignments,
)
from nightschool.notes.splits import Split

TEXT = "Order the spare battery for the old laptop before the autumn trip, and ask for the receipt."


def _items(**texts: str) -> list[Item]:
    """Items with these texts; the split is the first part of the name."""
    return [
        Item(content_id(text), text, "kind", Split(name.split("_")[0]), f"{name}.md")
        for name, text in texts.items()
    ]


def _claims(assignments: SplitAssignments, *texts: str) -> list[set[Split]]:
    present = {content_id(text): text for text in texts}
    claims = assignments.claims(list(present), assignments.sign(present))
    return [claims.get(id_, set()) for id_ in present]


# What a note claims


def test_an_edited_note_claims_the_split_of_its_former_text() -> None:
    assignments = SplitAssignments().after(_items(test=TEXT, train="call Bob"))
    assert _claims(assignments, TEXT + " Today!", "call Bob", "call Rob") == [
        {"test"},
        {"train"},
        set(),
    ]


def test_a_note_that_is_present_gives_its_split_to_no_edit() -> None:
    assignments = SplitAssignments().after(_items(test=TEXT))
    assert _claims(assignments, TEXT + " Today!", TEXT) == [set(), {"test"}]


def test_a_note_that_resembles_two_former_ones_claims_both_splits() -> None:
    assignments = SplitAssignments().after(_items(test=TEXT, train=TEXT + " Today!"))
    assert _claims(assignments, TEXT + " Now!") == [{"train", "test"}]


def test_an_unknown_split_claims_nothing() -> None:
    assignments = replace(
        SplitAssignments().after(_items(test=TEXT)), known={content_id(TEXT): "moon"}
    )
    assert _claims(assignments, TEXT) == [set()]
    assert _claims(assignments, TEXT + " Now!") == [set()]


def test_known_signatures_are_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assignments = SplitAssignments().after(_items(test=TEXT))
    seen: list[str] = []

    def recorded_signatures(texts: list[str]) -> object:
        seen.extend(texts)
        return signatures(texts)

    monkeypatch.setattr(module, "signatures", recorded_signatures)
    signed = assignments.sign({"new": "other", content_id(TEXT): TEXT})
    assert seen == ["other"]
    assert (signed == signatures(["other", TEXT])).all()


def test_the_signatures_of_the_contents_seen_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_SIGNATURES", 2)
    first = SplitAssignments().after(_items(train_1="one", train_2="two"))
    second = first.after(_items(train_1="one", test="three"))
    assert set(second.signed) == {content_id("one"), content_id("three")}
    assert set(second.known) == {content_id("one"), content_id("two"), content_id("three")}


# The file


def test_a_missing_file_holds_no_assignments(tmp_path: Path) -> None:
    assert read_split_assignments(tmp_path / "sides.json") == SplitAssignments()


def test_an_empty_object_beside_datasets_is_damaged(tmp_path: Path) -> None:
    """It would be the file of version 0.1.0 that assigns nothing: test notes would become training notes."""
    file = tmp_path / "sides.json"
    file.write_text("{}", "utf-8")
    assert read_split_assignments(file) == SplitAssignments()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "manifest.json").write_text("{}", "utf-8")
    with pytest.raises(DamagedFile, match="assigns nothing, although there are datasets"):
        read_split_assignments(file)


def test_writing_adds_to_the_assignments_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "not yet" / "sides.json"
    first, second = _items(train="one", test="二"), _items(test="二", validation="three")
    write_split_assignments(file, first)
    assert read_split_assignments(file) == SplitAssignments().after(first)
    write_split_assignments(file, second)
    assert read_split_assignments(file) == SplitAssignments().after(first).after(second)
    assert [path.name for path in file.parent.iterdir()] == ["sides.json"]


def test_the_file_holds_no_text_of_a_note(tmp_path: Path) -> None:
    write_split_assignments(tmp_path / "sides.json", _items(train=TEXT))
    written = (tmp_path / "sides.json").read_text("utf-8").casefold()
    assert not any(word in written for word in TEXT.casefold().split() if len(word) > 3)


def test_a_file_without_signatures_is_read_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "sides.json"
    file.write_text(json.dumps({content_id(TEXT): "test", "b": "train"}), encoding="utf-8")
    assert read_split_assignments(file) == SplitAssignments(
        {content_id(TEXT): "test", "b": "train"}
    )
    write_split_assignments(file, _items(test=TEXT))
    assert read_split_assignments(file).known == {content_id(TEXT): "test", "b": "train"}
    assert set(read_split_assignments(file).signed) == {content_id(TEXT)}


def test_signatures_of_another_version_are_dropped_and_the_splits_kept(tmp_path: Path) -> None:
    file = tmp_path / "sides.json"
    file.write_text(
        json.dumps({"sides": {"a": "test"}, "signatures": {"other-1": {"a": "AAAA"}}}), "utf-8"
    )
    assert read_split_assignments(file) == SplitAssignments({"a": "test"})


def test_a_flipped_split_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "sides.json"
    write_split_assignments(file, _items(test="a"))
    file.write_text(file.read_text("utf-8").replace('"test"', '"tert"'), "utf-8")
    with pytest.raises(DamagedFile, match="differs from its checksum"):
        read_split_assignments(file)


def test_a_file_that_is_lost_beside_datasets_does_not_assign_all_notes_again(
    tmp_path: Path,
) -> None:
    file = tmp_path / "datasets" / "sides.json"
    assert read_split_assignments(file) == SplitAssignments()
    (file.parent / "one").mkdir(parents=True)
    (file.parent / "one" / "manifest.json").touch()
    with pytest.raises(DamagedFile, match="is missing: `nightschool repair` makes"):
        read_split_assignments(file)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"a": "tr',
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"a": 1}',
        b'{"sides": []}',
        b'{"sides": {"a": null}}',
        b'{"sides": {}, "signatures": []}',
        json.dumps({"sides": {}, "signatures": {VERSION: {"a": "AAAA"}}}).encode(),
        json.dumps({"sides": {}, "signatures": {VERSION: {"a": "?"}}}).encode(),
        json.dumps({"sides": {}, "signatures": {VERSION: {"a": 1}}}).encode(),
    ],
)
def test_a_damaged_file_is_named_and_not_overwritten(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "sides.json"
    file.write_bytes(content)
    acts: list[Callable[[], object]] = [
        lambda: read_split_assignments(file),
        lambda: write_split_assignments(file, _items(train="a")),
    ]
    for act in acts:
        with pytest.raises(DamagedFile) as caught:
            act()
        assert str(caught.value).startswith(f"{file} is damaged (")
        assert str(caught.value).endswith("test notes could become training notes")
        assert "\n" not in str(caught.value)
    assert file.read_bytes() == content
