"""A note has one side, for good, and a dataset is what was frozen or it is refused."""

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nightschool.config import files
from nightschool.config.errors import NotesError
from nightschool.notes.dataset import Dataset, Item, extended, freeze, load, read_own, write
from nightschool.notes.decoding import content_id
from nightschool.notes.readers import Note
from nightschool.notes.split_assignments import (
    SPLITS,
    SplitAssignments,
    read_split_assignments,
    write_split_assignments,
)


def _notes(**counts: int) -> list[Note]:
    return [
        Note(f"{kind} number {n}", kind, f"{kind}/{n}.md")
        for kind, count in counts.items()
        for n in range(count)
    ]


def _freeze(notes: list[Note], sides: dict[str, str] | None = None, seed: int = 0) -> Dataset:
    return freeze(notes, test=0.2, validation=0.1, seed=seed, sides=SplitAssignments(sides or {}))


def _sides(dataset: Dataset) -> dict[str, str]:
    return {item.id: item.side for item in dataset.items}


def _counts(dataset: Dataset) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for item in dataset.items:
        counts[item.kind][item.side] += 1
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
    notes: list[Note], test: float, validation: float, sides: dict[str, str] | None = None
) -> Dataset | None:
    try:
        return freeze(
            notes, test=test, validation=validation, seed=3, sides=SplitAssignments(sides or {})
        )
    except NotesError:
        return None


@given(note_lists, shares, shares)
def test_every_item_is_on_one_side_and_has_one_kind(
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
    assert all(item.side in SPLITS and content_id(item.text) == item.id for item in dataset.items)
    assert [item.id for item in dataset.items] == sorted(usable)


@given(note_lists, shares, shares, st.randoms())
def test_the_order_of_the_notes_is_irrelevant(
    notes: list[Note], test: float, validation: float, random: Random
) -> None:
    notes = list({note.source: note for note in notes}.values())
    shuffled = random.sample(notes, len(notes))
    assert _try(notes, test, validation) == _try(shuffled, test, validation)


@given(note_lists, note_lists, shares, shares)
def test_adding_notes_never_moves_one_that_has_a_side(
    notes: list[Note], more: list[Note], test: float, validation: float
) -> None:
    before = _try(notes, test, validation)
    if before is None:
        return
    after = _try(notes + more, test, validation, _sides(before))
    if after is None:
        return
    known = _sides(before)
    assert all(known[id_] == side for id_, side in _sides(after).items() if id_ in known)


@given(note_lists, shares, shares)
def test_each_kind_with_three_notes_is_trained_on_and_measured(
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
    st.lists(st.sampled_from(["train", "validation", "test", "moon"]), max_size=20),
    st.integers(2, 10),
    st.floats(0.05, 0.7),
    st.floats(0.05, 0.7),
)
@example(["validation"] * 5, 2, 0.6, 0.1)
@example(["test"] * 5, 2, 0.2, 0.3)
def test_new_notes_bring_a_kind_to_train_and_test_whatever_is_known_already(
    known: list[str], new: int, test: float, validation: float
) -> None:
    notes = _notes(a=len(known) + new, b=5)
    sides = {content_id(f"a number {n}"): side for n, side in enumerate(known)}
    dataset = freeze(notes, test=test, validation=validation, seed=0, sides=SplitAssignments(sides))
    counts = _counts(dataset)["a"]
    if counts.total() >= 3:
        assert counts["train"] >= 1 and counts["test"] >= 1
    dealt = _sides(dataset)
    assert all(dealt[id_] == side for id_, side in sides.items() if side in SPLITS)


# Single behaviours


def test_the_shares_are_dealt_kind_by_kind() -> None:
    counts = _counts(_freeze(_notes(a=100, b=10)))
    assert counts["a"] == {"test": 20, "validation": 10, "train": 70}
    assert counts["b"] == {"test": 2, "validation": 1, "train": 7}


def test_another_seed_deals_new_notes_differently_and_known_ones_alike() -> None:
    notes = _notes(a=50, b=50)
    first = _freeze(notes)
    assert _sides(_freeze(notes, seed=1)) != _sides(first)
    assert _freeze(notes, seed=1, sides=_sides(first)) == first


def test_a_note_that_leaves_and_returns_keeps_its_side(tmp_path: Path) -> None:
    notes = _notes(a=30, b=30)
    first = _freeze(notes)
    write_split_assignments(tmp_path / "sides.json", first.items)
    fewer = _freeze(notes[10:], dict(read_split_assignments(tmp_path / "sides.json").known))
    write_split_assignments(tmp_path / "sides.json", fewer.items)
    again = _sides(
        _freeze(notes + _notes(c=9), dict(read_split_assignments(tmp_path / "sides.json").known))
    )
    assert {id_: again[id_] for id_ in _sides(first)} == _sides(first)


def test_exact_copies_are_one_item_and_counted() -> None:
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
        "the same note under different kinds is left out, decide on one: "
        "a/both.md (a), b/both.md (b)",
    )
    many = [Note("Both", "a", f"a/{n}.md") for n in range(9)] + [Note("Both", "b", "b.md")]
    [warning, *_] = _freeze([*notes[:-2], *many]).warnings
    assert "decide on one: a/0.md (a), b.md (b), a/1.md (a), " in warning
    assert warning.endswith("a/6.md (a) and 2 more")


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (
            1,
            'kind "b" has only 1 note: it is trained on but cannot be measured (add at least 2 more)',
        ),
        (
            2,
            'kind "b" has only 2 notes: it is trained on but cannot be measured (add at least 1 more)',
        ),
    ],
)
def test_a_kind_too_thin_to_be_measured_is_trained_on_and_named(count: int, said: str) -> None:
    dataset = _freeze(_notes(a=5, b=count))
    assert dataset.kinds == ("a", "b")
    assert _counts(dataset)["b"] == {"train": count}
    assert dataset.warnings == (said,)


def test_a_column_of_names_that_are_no_kinds_is_told_in_a_line() -> None:
    """As where the label column is that of the ids."""
    ids = [Note(f"{n * 7919:x}", f"id-{n:03}", f"a.csv:{n}") for n in range(300)]
    dataset = _freeze([*_notes(a=10, b=10), *ids])
    assert dataset.warnings == (
        "300 kinds have fewer than 3 notes, are trained on and cannot be measured (are they kinds?): "
        "id-000, id-001, id-002, id-003, id-004, id-005, id-006, id-007 and 292 more",
    )
    with pytest.raises(NotesError) as caught:
        _freeze(ids)
    assert str(caught.value).endswith("id-007: 1 and 292 more)")


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ([], "none of 0 notes has a kind: put them into sub-folders named after their kinds, "),
        ([Note("x", None, "x.md")], "none of 1 notes has a kind: "),
        (_notes(lesson=9), 'there is only one kind, "lesson", and nothing to tell apart: '),
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
            'there is only one kind, "a", and nothing to tell apart: ',
        ),
        (
            [Note("same", "a", "a.md"), Note("same", "b", "b.md")],
            "every note stands under two kinds, so none can be used: the same note under different "
            "kinds is left out, decide on one: a.md (a), b.md (b)",
        ),
    ],
)
def test_notes_that_make_no_dataset_are_refused_with_the_reason(
    notes: list[Note], said: str
) -> None:
    with pytest.raises(NotesError) as caught:
        _freeze(notes)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_single_kind_to_train_on_is_refused_though_others_are_measured() -> None:
    """Of kind b, only what was measured with before is left."""
    sides = {content_id("b number 0"): "test"}
    with pytest.raises(NotesError, match=r'^only "a" has notes to train on'):
        _freeze(_notes(a=9, b=1), sides)


def test_the_fingerprint_names_contents_kinds_sides_and_groups() -> None:
    notes = _notes(a=10, b=10)
    first = _freeze(notes)
    moved = {**_sides(first), first.items[0].id: "validation"}
    changed = [Note(notes[0].text, "b", notes[0].source), *notes[1:]]
    two = [item.source for item in first.items if item.side == "train"][:2]
    grouped = [replace(note, origin="book") if note.source in two else note for note in notes]
    assert _sides(_freeze(grouped, _sides(first))) == _sides(first)
    assert first.items[0].side != "validation"
    prints = [
        first.fingerprint,
        _freeze(notes, moved).fingerprint,
        _freeze(changed, _sides(first)).fingerprint,
        _freeze(notes + _notes(c=1), _sides(first)).fingerprint,
        _freeze(grouped, _sides(first)).fingerprint,
    ]
    assert len(set(prints)) == 5


# On disk


@pytest.fixture
def frozen() -> Dataset:
    """A dataset with everything that a text file could lose."""
    odd = [
        Note("line\u2028separator", "a", "a/1.md"),
        Note('  white\r\nspace\t"quoted" 🎉\n', "決定 事項", "決定 事項/1.md"),
    ]
    return _freeze([*_notes(a=10, 仕事=10, b=2), *odd])


@pytest.fixture
def written(frozen: Dataset, tmp_path: Path) -> Path:
    """Its folder."""
    write(frozen, tmp_path / "datasets" / "one")
    return tmp_path / "datasets" / "one"


def test_a_dataset_that_was_written_is_read_back_the_same(frozen: Dataset, written: Path) -> None:
    assert load(written) == frozen
    assert {file.name for file in written.parent.iterdir()} == {"one"}


def test_the_same_dataset_is_not_written_again(
    frozen: Dataset, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("written again")

    monkeypatch.setattr(os, "replace", refuse)
    write(frozen, written)


def test_a_damaged_dataset_is_written_anew(frozen: Dataset, written: Path) -> None:
    (written / "items.jsonl").write_text("", encoding="utf-8")
    write(frozen, written)
    assert load(written) == frozen


def test_a_crash_while_writing_leaves_the_old_or_nothing(
    frozen: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file = files.write

    def crash(file: Path, text: str) -> None:
        if file.name == "manifest.json":
            raise KeyboardInterrupt
        write_file(file, text)

    monkeypatch.setattr(files, "write", crash)
    with pytest.raises(KeyboardInterrupt):
        write(frozen, tmp_path / "one")
    assert not (tmp_path / "one").exists()
    monkeypatch.undo()
    write(frozen, tmp_path / "one")
    assert load(tmp_path / "one") == frozen


def _change_item(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        first, *others = (folder / "items.jsonl").read_text("utf-8").split("\n")
        first = json.dumps({**json.loads(first), **changes}, ensure_ascii=False)
        (folder / "items.jsonl").write_text("\n".join([first, *others]), encoding="utf-8")

    return change


def _change_manifest(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "manifest.json"
        manifest = {**json.loads(file.read_text("utf-8")), **changes}
        kept = {key: value for key, value in manifest.items() if value is not None}
        file.write_text(json.dumps(kept), encoding="utf-8")

    return change


def _change_case(folder: Path) -> None:
    text = (folder / "items.jsonl").read_text("utf-8")
    assert "a number 0" in text
    text = text.replace("a number 0", "A number 0")
    (folder / "items.jsonl").write_text(text, encoding="utf-8")


def _cut_items(folder: Path) -> None:
    raw = (folder / "items.jsonl").read_bytes()
    (folder / "items.jsonl").write_bytes(raw[: len(raw) // 2])


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (_change_item(text="another text"), "was changed after it was frozen"),
        (_change_case, "was changed after it was frozen"),
        (_change_item(side="test", kind="b"), "was changed after it was frozen"),
        (_change_item(more=1), "was changed after it was frozen"),
        (_cut_items, "was changed after it was frozen"),
        (_change_manifest(fingerprint="0"), "was changed after it was frozen"),
        (_change_manifest(kinds=None), "is damaged ('kinds')"),
        (_change_manifest(fingerprint=None), "is damaged ('fingerprint')"),
        (lambda folder: (folder / "manifest.json").unlink(), "is damaged ([Errno 2]"),
        (lambda folder: (folder / "items.jsonl").unlink(), "is damaged ([Errno 2]"),
        (lambda folder: (folder / "manifest.json").write_text("["), "is damaged (Expecting value"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "is damaged (list indices"),
        (lambda folder: (folder / "items.jsonl").write_bytes(b"\xff"), "is damaged ('utf-8' codec"),
    ],
)
def test_a_dataset_that_is_not_as_frozen_is_refused_with_one_line(
    written: Path, tamper: Callable[[Path], None], said: str
) -> None:
    tamper(written)
    with pytest.raises(NotesError) as caught:
        load(written)
    assert str(caught.value).startswith(f"dataset {written} {said}")
    assert str(caught.value).endswith("`nightschool prep --new` makes it again")
    assert "\n" not in str(caught.value)


def test_items_moved_together_with_their_sum_still_miss_the_fingerprint(written: Path) -> None:
    _change_item(side="validation", kind="b")(written)
    text = (written / "items.jsonl").read_text("utf-8")
    _change_manifest(items_sha256=hashlib.sha256(text.encode()).hexdigest())(written)
    with pytest.raises(NotesError, match="was changed after it was frozen"):
        load(written)


def test_a_dataset_of_the_version_without_groups_is_read(written: Path, frozen: Dataset) -> None:
    rows = [
        json.loads(row) for row in (written / "items.jsonl").read_text("utf-8").split("\n") if row
    ]
    text = "".join(
        json.dumps({key: value for key, value in row.items() if key != "group"}) + "\n"
        for row in rows
    )
    (written / "items.jsonl").write_text(text, encoding="utf-8")
    _change_manifest(items_sha256=hashlib.sha256(text.encode()).hexdigest())(written)
    assert load(written) == frozen
    assert all(item.group == item.id for item in frozen.items)


@pytest.mark.parametrize("origin", ["roughened", "cut", "mixture"])
def test_a_dataset_of_version_0_1_0_with_augmented_notes_is_read(
    tmp_path: Path, frozen: Dataset, origin: str
) -> None:
    """Version 0.1.0 also made notes of no kind from others."""
    copy = replace(frozen.items[0], id="0" * 16, text="cut out of", side="train", origin=origin)
    augmented = extended(frozen, [copy])
    write(augmented, tmp_path / "old")
    assert load(tmp_path / "old") == augmented
    assert copy.id not in read_own(tmp_path / "old")


def test_an_item_is_what_the_file_holds(written: Path, frozen: Dataset) -> None:
    first = json.loads((written / "items.jsonl").read_text("utf-8").split("\n")[0])
    assert Item(**first) == frozen.items[0]
    assert set(first) == {"id", "text", "kind", "side", "source", "group", "origin"}


def test_kinds_may_be_called_as_the_sides_are(tmp_path: Path) -> None:
    dataset = _freeze(_notes(train=10, validation=10, test=10))
    write(dataset, tmp_path / "d")
    assert load(tmp_path / "d") == dataset
    for item in dataset.items:
        assert item.source.startswith(item.kind)
    counts = Counter((item.kind, item.side) for item in dataset.items)
    assert all(counts[kind, "test"] == 2 and counts[kind, "train"] == 7 for kind in SPLITS)
