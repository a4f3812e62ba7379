"""The frozen dataset: every labelled note on one side (train, validation, test), for good."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nightschool.notes.errors import NotesError
from nightschool.notes.readers import Note
from nightschool.notes.text import content_id

SIDES = ("train", "validation", "test")
# With fewer, a kind cannot stand on both sides.
_LEAST = 3


@dataclass(frozen=True, slots=True)
class Item:
    """One note of a dataset; `id` is its content's identity."""

    id: str
    text: str
    kind: str
    side: str
    source: str
    origin: str = ""
    """How it was made (see `made.py`); empty for a note of the owner's own."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Items in the order of their ids; `fingerprint` names their contents, kinds and sides."""

    items: tuple[Item, ...]
    kinds: tuple[str, ...]
    fingerprint: str
    warnings: tuple[str, ...]


def freeze(
    notes: Sequence[Note],
    *,
    test: float,
    validation: float,
    seed: int,
    sides: Mapping[str, str] | None = None,
) -> Dataset:
    """Deal the labelled notes to the sides, each kind by itself; the order of `notes` is irrelevant.

    Copies of a note are one item, so they cannot stand on two sides. An item that `sides` knows
    (content id -> side) stays there; new ones fill up the shares in the order of a hash. Raises
    NotesError where nothing is labelled, or there is only one kind, or nothing to measure with.
    """
    copies: dict[str, list[Note]] = defaultdict(list)
    for note in notes:
        if note.kind is not None:
            copies[content_id(note.text)].append(note)
    if not copies:
        raise NotesError(
            f"none of {len(notes)} notes has a kind: put them into sub-folders named after their kinds, "
            "or give `kind:` in the front matter, or a label column"
        )
    warnings, unique = _merge_copies(copies)
    by_kind: dict[str, list[str]] = defaultdict(list)
    for id_, note in unique.items():
        assert note.kind is not None
        by_kind[note.kind].append(id_)
    if not by_kind:
        raise NotesError(f"every note stands under two kinds, so none can be used: {warnings[0]}")
    if len(by_kind) == 1:
        raise NotesError(
            f'there is only one kind, "{next(iter(by_kind))}", and nothing to tell apart: add notes of a '
            "second kind, for example a folder `none` with notes that are none of it"
        )
    dealt: dict[str, str] = {}
    for kind in sorted(by_kind):
        ids = sorted(
            by_kind[kind], key=lambda id_: hashlib.sha256(f"{seed}:{id_}".encode()).digest()
        )
        if len(ids) < _LEAST:
            warnings.append(
                f'kind "{kind}" has only {len(ids)} note{"s"[: len(ids) != 1]}: it is trained on but cannot '
                f"be measured (add at least {_LEAST - len(ids)} more)"
            )
        dealt |= _deal(ids, test, validation, sides or {})
    if dealt and "train" not in dealt.values():
        raise NotesError(
            "every note is held back for the test or validation, so nothing is left to train on: "
            "add notes, or lower split.test and split.validation"
        )
    if "test" not in dealt.values():
        raise NotesError(
            f"no kind has {_LEAST} notes, so nothing can be measured: add notes ("
            + ", ".join(f"{kind}: {len(ids)}" for kind, ids in sorted(by_kind.items()))
            + ")"
        )
    items = tuple(
        Item(id_, note.text, str(note.kind), dealt[id_], note.source)
        for id_, note in sorted(unique.items())
    )
    return Dataset(items, tuple(sorted(by_kind)), _fingerprint(items), tuple(warnings))


def _merge_copies(copies: Mapping[str, list[Note]]) -> tuple[list[str], dict[str, Note]]:
    """One note for each content; contents with two kinds are left out. Returns warnings and notes."""
    unique: dict[str, Note] = {}
    warnings = []
    repeated = 0
    for id_, same in sorted(copies.items()):
        same = sorted(same, key=lambda note: note.source)
        if len({note.kind for note in same}) > 1:
            places = ", ".join(f"{note.source} ({note.kind})" for note in same)
            warnings.append(
                f"the same note under different kinds is left out, decide on one: {places}"
            )
            continue
        repeated += len(same) - 1
        unique[id_] = same[0]
    if repeated:
        warnings.append(
            f"{repeated} exact cop{'y' if repeated == 1 else 'ies'} of other notes left out"
        )
    return warnings, unique


def _deal(
    ids: Sequence[str], test: float, validation: float, known: Mapping[str, str]
) -> dict[str, str]:
    """Sides for the notes of one kind, which come in the order in which new ones are dealt."""
    dealt = {id_: known[id_] for id_ in ids if known.get(id_) in SIDES}
    wanted = {"test": 0, "validation": 0}
    if len(ids) >= _LEAST:
        # One is left to train on, also beside those that are known.
        stands, most = Counter(dealt.values()), len(ids) - 1
        wanted["test"] = max(1, min(round(test * len(ids)), most - stands["validation"]))
        wanted["validation"] = min(
            round(validation * len(ids)), most - max(wanted["test"], stands["test"])
        )
    counts = Counter(dealt.values())
    for id_ in ids:
        if id_ not in dealt:
            dealt[id_] = next((s for s in wanted if counts[s] < wanted[s]), "train")
            counts[dealt[id_]] += 1
    return dealt


def _fingerprint(items: Iterable[Item]) -> str:
    lines = sorted(f"{item.id} {item.side} {item.kind}" for item in items)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def extended(dataset: Dataset, made: Iterable[Item]) -> Dataset:
    """A dataset with more training notes, each with an `origin`; one that it has already counts once."""
    more = {item.id: item for item in made}
    if not more:
        return dataset
    assert all(item.origin and item.side == "train" for item in more.values())
    items = tuple(sorted({*dataset.items, *more.values()}, key=lambda item: item.id))
    kinds = tuple(sorted({*dataset.kinds, *(item.kind for item in items)}))
    return replace(dataset, items=items, kinds=kinds, fingerprint=_fingerprint(items))


def write(dataset: Dataset, folder: Path) -> None:
    """Write a dataset: whole or not at all; nothing where the same one is there already."""
    try:
        if load(folder).fingerprint == dataset.fingerprint:
            return
    except NotesError:
        pass  # not there, or damaged: write it
    aside = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    rows = (json.dumps(asdict(item), ensure_ascii=False) for item in dataset.items)
    text = "".join(f"{row}\n" for row in rows)
    manifest = {
        "fingerprint": dataset.fingerprint,
        "items_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "kinds": list(dataset.kinds),
        "counts": dict(Counter(item.side for item in dataset.items)),
        "warnings": list(dataset.warnings),
    }
    _write_text(aside / "items.jsonl", text)
    _write_text(aside / "manifest.json", json.dumps(manifest, ensure_ascii=False, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(aside, folder)


def load(folder: Path) -> Dataset:
    """Read a dataset back. Raises NotesError where a file is missing or was changed."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        text = (folder / "items.jsonl").read_text("utf-8")
        whole = hashlib.sha256(text.encode()).hexdigest() == manifest["items_sha256"]
        items = tuple(Item(**json.loads(line)) for line in text.split("\n") if line and whole)
        dataset = Dataset(
            items, tuple(manifest["kinds"]), manifest["fingerprint"], tuple(manifest["warnings"])
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise NotesError(
            f"dataset {folder} is damaged ({error}): `nightschool prep --new` makes it again"
        ) from None
    if not whole or _fingerprint(items) != dataset.fingerprint:
        raise NotesError(
            f"dataset {folder} was changed after it was frozen: `nightschool prep --new` makes it again"
        )
    return dataset


def read_sides(file: Path) -> dict[str, str]:
    """Where each content ever dealt stands (content id -> side); empty where nothing was."""
    if not file.exists():
        return {}
    try:
        known: dict[str, str] = json.loads(file.read_text("utf-8"))
        if not isinstance(known, dict):
            raise ValueError("no JSON object")
    except ValueError as error:
        raise NotesError(
            f"{file} is damaged ({error}): restore it, or delete it to deal all notes anew"
        ) from None
    return known


def write_sides(file: Path, sides: Mapping[str, str]) -> None:
    """Add to what `read_sides` knows: a note that leaves and returns keeps its side."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(".tmp")
    _write_text(aside, json.dumps({**read_sides(file), **sides}, sort_keys=True))
    os.replace(aside, file)


def _write_text(file: Path, text: str) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
