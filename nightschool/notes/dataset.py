"""The frozen dataset of a run: its items, its fingerprint, and its files."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nightschool.config import bounded_json, files
from nightschool.config.checksums import verify_checksum, with_checksum
from nightschool.config.errors import DamagedFile, first_line
from nightschool.ledger.artifacts import damaged, unusable
from nightschool.notes.splits import Split


@dataclass(frozen=True, slots=True)
class Item:
    """One note of a dataset; `id` is its content id."""

    id: str
    text: str
    kind: str
    split: Split
    source: str
    group: str = ""
    """The smallest id in the note's group; its own id if it is alone. Notes of a group are dependent."""
    origin: str = ""
    """How an augmented note was made, such as "roughened"; "" for one of the owner's notes."""

    def __post_init__(self) -> None:
        if not self.group:
            object.__setattr__(self, "group", self.id)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Items in the order of their ids."""

    items: tuple[Item, ...]
    kinds: tuple[str, ...]
    fingerprint: str
    """Covers the items' contents, kinds, splits and groups."""
    warnings: tuple[str, ...]

    def of(self, split: Split) -> list[Item]:
        """The items of a split."""
        return [item for item in self.items if item.split == split]


def fingerprint_of(items: Iterable[Item]) -> str:
    """The sha256 over the items' ids, splits, kinds and groups, in hexadecimal."""
    # A group of one is omitted, so that datasets written before groups existed keep their fingerprint.
    lines = sorted(
        f"{item.id} {item.split} {item.kind}" + f"\t{item.group}" * (item.group != item.id)
        for item in items
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def extended(dataset: Dataset, augmented: Iterable[Item]) -> Dataset:
    """A dataset with augmented training notes, each with an `origin`; repeated ids count once."""
    more = {item.id: item for item in augmented}
    if not more:
        return dataset
    assert all(item.origin and item.split == Split.TRAIN for item in more.values())
    items = tuple(sorted({*dataset.items, *more.values()}, key=lambda item: item.id))
    kinds = tuple(sorted({*dataset.kinds, *(item.kind for item in items)}))
    return replace(dataset, items=items, kinds=kinds, fingerprint=fingerprint_of(items))


def without(dataset: Dataset, ids: Collection[str], warnings: tuple[str, ...]) -> Dataset:
    """A dataset without some items and with other warnings; its kinds stay.

    A group that is named after a removed item gets the smallest id that is left.
    """
    left = [item for item in dataset.items if item.id not in ids]
    names: dict[str, str] = {}
    for item in sorted(left, key=lambda item: (bool(item.origin), item.id)):
        names.setdefault(item.group, item.id)
    items = tuple(
        replace(item, group=names[item.group]) if item.group in ids else item for item in left
    )
    return replace(dataset, items=items, fingerprint=fingerprint_of(items), warnings=warnings)


def write(dataset: Dataset, folder: Path) -> None:
    """Write a dataset, whole or not at all; a folder that already holds it is left untouched."""
    try:
        if load(folder).fingerprint == dataset.fingerprint:
            return
    except DamagedFile:
        pass  # or absent
    with files.new_folder(folder) as new:
        for name, content in contents(dataset).items():
            files.write(new / name, content)


def contents(dataset: Dataset) -> dict[str, bytes]:
    """The files of a dataset, by name."""
    rows = (json.dumps(_to_row(item), ensure_ascii=False) for item in dataset.items)
    items = "".join(f"{row}\n" for row in rows).encode()
    manifest = {
        "fingerprint": dataset.fingerprint,
        "items_sha256": hashlib.sha256(items).hexdigest(),
        "kinds": list(dataset.kinds),
        "counts": dict(Counter(item.split for item in dataset.items)),
        "warnings": list(dataset.warnings),
    }
    about = with_checksum(json.dumps(manifest, ensure_ascii=False, indent=1))
    return {"items.jsonl": items, "manifest.json": about.encode()}


def parse_items(content: bytes, kinds: Iterable[str] = ()) -> Dataset:
    """The dataset in the content of `items.jsonl`, with these kinds and its own, without warnings.

    Raises ValueError, TypeError, KeyError or AttributeError for other content.
    """
    items = tuple(_from_row(bounded_json.loads(line)) for line in content.split(b"\n") if line)
    all_kinds = tuple(kinds) or tuple(sorted({item.kind for item in items}))
    if not {item.kind for item in items} <= {*all_kinds}:
        raise ValueError("it has other kinds")
    return Dataset(items, all_kinds, fingerprint_of(items), ())


def load(folder: Path) -> Dataset:
    """Read a dataset. Raises DamagedFile if a file is missing or was changed."""
    try:
        manifest, rows = _read(folder)
        items = tuple(_from_row(bounded_json.loads(row)) for row in rows)
        dataset = Dataset(
            items, tuple(manifest["kinds"]), manifest["fingerprint"], tuple(manifest["warnings"])
        )
    except _UNUSABLE as error:
        raise _damaged(folder, error) from None
    if fingerprint_of(items) != dataset.fingerprint or not {i.kind for i in items} <= {
        *dataset.kinds
    }:
        raise _damaged(
            folder, ValueError("its fingerprint or its kinds are not those of its items")
        )
    return dataset


def read_own(folder: Path) -> dict[str, tuple[str, Split]]:
    """Content id -> (kind, split) of a dataset's items without the augmented ones.

    Raises DamagedFile if a file is missing or was changed.
    """
    try:
        parsed = (bounded_json.loads(row) for row in _read(folder)[1])
        return {r["id"]: (r["kind"], Split(r["side"])) for r in parsed if not r.get("origin")}
    except _UNUSABLE as error:
        raise _damaged(folder, error) from None


_UNUSABLE = (OSError, ValueError, TypeError, KeyError, AttributeError)


def _read(folder: Path) -> tuple[dict[str, Any], list[bytes]]:
    """The manifest and the lines of a dataset's items, verified. Raises the errors in `_UNUSABLE`."""
    content = files.read(folder / "manifest.json")
    verify_checksum(content)
    manifest = bounded_json.loads(content)
    items = files.read(folder / "items.jsonl", 1 << 30)
    if hashlib.sha256(items).hexdigest() != manifest["items_sha256"]:
        raise ValueError("items.jsonl was changed after it was frozen")
    return manifest, [line for line in items.split(b"\n") if line]


def _damaged(folder: Path, error: Exception) -> DamagedFile:
    if isinstance(error, OSError):
        return unusable(Path(error.filename or folder), error)
    return damaged(folder, first_line(error))


def _to_row(item: Item) -> dict[str, Any]:
    """An item as a line of `items.jsonl`, which calls the split "side" (since version 0.1.0)."""
    return {"side" if key == "split" else key: value for key, value in asdict(item).items()}


def _from_row(row: dict[str, Any]) -> Item:
    return Item(
        **{key: value for key, value in row.items() if key != "side"}, split=Split(row["side"])
    )
