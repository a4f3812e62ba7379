"""A dataset is read back as it was frozen, or refused."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nightschool.config import files
from nightschool.config.errors import DamagedFile
from nightschool.notes.dataset import Dataset, Item, extended, load, read_own, write
from nightschool.notes.freezing import freeze
from nightschool.notes.note import Note
from nightschool.notes.splits import Split


def _notes(**counts: int) -> list[Note]:
    return [
        Note(f"{kind} number {n}", kind, f"{kind}/{n}.md")
        for kind, count in counts.items()
        for n in range(count)
    ]


def _freeze(notes: list[Note]) -> Dataset:
    return freeze(notes, test=0.2, validation=0.1, seed=0)


@pytest.fixture
def frozen() -> Dataset:
    """A dataset with characters that a text file could lose."""
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


def test_a_dataset_is_read_back_the_same(frozen: Dataset, written: Path) -> None:
    assert load(written) == frozen
    assert {file.name for file in written.parent.iterdir()} == {"one"}


def test_the_same_dataset_is_not_written_again(
    frozen: Dataset, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced: list[object] = []
    monkeypatch.setattr(os, "replace", lambda *paths: replaced.append(paths))
    write(frozen, written)
    assert replaced == []
    assert load(written) == frozen


def test_a_damaged_dataset_is_replaced(frozen: Dataset, written: Path) -> None:
    (written / "items.jsonl").write_text("", encoding="utf-8")
    write(frozen, written)
    assert load(written) == frozen


def test_a_crash_while_writing_leaves_the_old_dataset_or_nothing(
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
        # Without its checksum, as version 0.1.0 wrote it.
        kept = {k: value for k, value in manifest.items() if k != "sha256" and value is not None}
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
    ("tamper", "expected"),
    [
        (_change_item(text="another text"), "was changed after it was frozen"),
        (_change_case, "was changed after it was frozen"),
        (_change_item(side="test", kind="b"), "was changed after it was frozen"),
        (_change_item(more=1), "was changed after it was frozen"),
        (_change_item(side="moon"), "was changed after it was frozen"),
        (_cut_items, "was changed after it was frozen"),
        (_change_manifest(fingerprint="0"), "its fingerprint or its kinds"),
        (_change_manifest(kinds=["a"]), "its fingerprint or its kinds"),
        (_change_manifest(kinds=None), " is damaged ('kinds')"),
        (_change_manifest(fingerprint=None), " is damaged ('fingerprint')"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda folder: (folder / "items.jsonl").unlink(), "items.jsonl is missing"),
        (lambda folder: (folder / "manifest.json").write_text("["), " is damaged (Expecting value"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), " is damaged (list indices"),
        (lambda folder: (folder / "items.jsonl").write_bytes(b"\xff"), "was changed after it was"),
    ],
)
def test_a_changed_or_damaged_dataset_is_refused_with_one_line(
    written: Path, tamper: Callable[[Path], None], expected: str
) -> None:
    tamper(written)
    with pytest.raises(DamagedFile) as caught:
        load(written)
    assert str(caught.value).startswith(str(written)) and expected in str(caught.value)
    assert str(caught.value).endswith("else restore it, or `nightschool prep --new`")
    assert "\n" not in str(caught.value)


def test_a_changed_split_with_a_corrected_checksum_is_refused(written: Path) -> None:
    _change_item(side="validation", kind="b")(written)
    text = (written / "items.jsonl").read_text("utf-8")
    _change_manifest(items_sha256=hashlib.sha256(text.encode()).hexdigest())(written)
    with pytest.raises(DamagedFile, match="its fingerprint or its kinds are not those"):
        load(written)


def test_a_dataset_from_before_groups_is_read(written: Path, frozen: Dataset) -> None:
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


def test_a_dataset_written_by_version_0_1_0_is_read(tmp_path: Path) -> None:
    rows = (
        '{"id": "aa", "text": "メモ", "kind": "lesson", "side": "train", "source": "a.md", "group": "aa", '
        '"origin": ""}\n'
        '{"id": "bb", "text": "x", "kind": "none", "side": "test", "source": "b.md", "group": "aa", '
        '"origin": ""}\n'
    )
    fingerprint = hashlib.sha256(b"aa train lesson\nbb test none\taa").hexdigest()
    manifest = {
        "fingerprint": fingerprint,
        "items_sha256": hashlib.sha256(rows.encode()).hexdigest(),
        "kinds": ["lesson", "none"],
        "counts": {"train": 1, "test": 1},
        "warnings": ["one"],
    }
    (tmp_path / "items.jsonl").write_bytes(rows.encode())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    dataset = load(tmp_path)
    assert dataset.items == (
        Item("aa", "メモ", "lesson", Split.TRAIN, "a.md", "aa"),
        Item("bb", "x", "none", Split.TEST, "b.md", "aa"),
    )
    assert dataset.of(Split.TEST) == [dataset.items[1]]
    assert read_own(tmp_path) == {"aa": ("lesson", Split.TRAIN), "bb": ("none", Split.TEST)}
    write(dataset, tmp_path / "again")
    assert (tmp_path / "again" / "items.jsonl").read_bytes() == rows.encode()


@pytest.mark.parametrize("origin", ["roughened", "cut", "mixture"])
def test_a_dataset_of_version_0_1_0_with_augmented_notes_is_read(
    tmp_path: Path, frozen: Dataset, origin: str
) -> None:
    """Version 0.1.0 also made notes of no kind from others."""
    copy = replace(
        frozen.items[0], id="0" * 16, text="cut out of", split=Split.TRAIN, origin=origin
    )
    augmented = extended(frozen, [copy])
    write(augmented, tmp_path / "old")
    assert load(tmp_path / "old") == augmented
    assert copy.id not in read_own(tmp_path / "old")


def test_the_file_calls_the_split_side_as_version_0_1_0_does(
    written: Path, frozen: Dataset
) -> None:
    first = json.loads((written / "items.jsonl").read_text("utf-8").split("\n")[0])
    assert first == {"side": frozen.items[0].split.value} | {
        key: getattr(frozen.items[0], key) for key in first if key != "side"
    }
    assert set(first) == {"id", "text", "kind", "side", "source", "group", "origin"}


def test_kinds_may_have_the_names_of_splits(tmp_path: Path) -> None:
    dataset = _freeze(_notes(train=10, validation=10, test=10))
    write(dataset, tmp_path / "d")
    assert load(tmp_path / "d") == dataset
    for item in dataset.items:
        assert item.source.startswith(item.kind)
    counts = Counter((item.kind, item.split) for item in dataset.items)
    assert all(counts[kind, Split.TEST] == 2 and counts[kind, Split.TRAIN] == 7 for kind in Split)
