"""The frozen dataset: every labelled note on one side (train, validation, test), for good."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nightschool.config import files
from nightschool.config.errors import NotesError
from nightschool.notes.decoding import content_id, listed
from nightschool.notes.duplicates import near_duplicates
from nightschool.notes.kinds import each_kind_first
from nightschool.notes.readers import Note
from nightschool.notes.split_assignments import SplitAssignments
from nightschool.notes.splits import LEAST, deal, group_notes

_TOLD = 8
"""Kinds that are warned of one by one."""


@dataclass(frozen=True, slots=True)
class Item:
    """One note of a dataset; `id` is its content's identity.

    `group` is the smallest id among the notes that it belongs with (near-duplicates, one file, one
    source), its own where there are none: notes of a group are not independent.
    """

    id: str
    text: str
    kind: str
    side: str
    source: str
    group: str = ""
    origin: str = ""
    """How it was made (see `made.py`); empty for a note of the owner's own."""

    def __post_init__(self) -> None:
        if not self.group:
            object.__setattr__(self, "group", self.id)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Items in the order of their ids; `fingerprint` names their contents, kinds, sides, groups."""

    items: tuple[Item, ...]
    kinds: tuple[str, ...]
    fingerprint: str
    warnings: tuple[str, ...]

    def of(self, side: str) -> list[Item]:
        """The items of a side ("train", "validation" or "test")."""
        return [item for item in self.items if item.side == side]


def freeze(
    notes: Sequence[Note],
    *,
    test: float,
    validation: float,
    seed: int,
    sides: SplitAssignments | None = None,
    same_source: bool = True,
) -> Dataset:
    """Deal the labelled notes to the sides, group by group; the order of `notes` is irrelevant.

    Copies of a note are one item; near-duplicates of it, and with `same_source` notes of one file or
    origin, stand on its side. An item that `sides` knows stays on its side or is left out; see
    `splits.deal`. Raises NotesError where nothing is labelled, or there is only one kind, or
    nothing to train on or to measure with.
    """
    sides = sides or SplitAssignments()
    copies: dict[str, list[Note]] = defaultdict(list)
    for note in notes:
        if note.kind is not None:
            copies[content_id(note.text)].append(note)
    if not copies:
        raise NotesError(
            f"none of {len(notes)} notes has a kind: put them into sub-folders named after their kinds, "
            "or give `kind:` in the front matter, or a label column"
        )
    warnings, copies = _merge_copies(copies)
    kinds = {id_: str(same[0].kind) for id_, same in copies.items()}
    texts = {id_: same[0].text for id_, same in copies.items()}
    signed = sides.sign(texts)
    near = near_duplicates(list(texts.values()), signed=signed)
    groups = group_notes(copies, near, same_source)
    claims = sides.claims(list(texts), signed)
    split = deal(kinds, groups, claims, test=test, validation=validation, seed=seed)
    first: dict[str, str] = {}  # of each group, the smallest id that is not left out
    items = tuple(
        Item(
            id_,
            texts[id_],
            kinds[id_],
            split.sides[id_],
            copies[id_][0].source,
            first.setdefault(groups[id_], id_),
        )
        for id_ in texts
        if id_ in split.sides
    )
    warnings += _left_out([copies[id_][0].source for id_ in sorted(split.left_out)])
    if not items:
        raise NotesError(f"every note stands under two kinds, so none can be used: {warnings[0]}")
    warnings += _check_kinds(items) + _one_large_group(items)
    kinds_left = tuple(sorted({item.kind for item in items}))
    return Dataset(items, kinds_left, _fingerprint(items), tuple(warnings))


def _merge_copies(copies: Mapping[str, list[Note]]) -> tuple[list[str], dict[str, list[Note]]]:
    """Warnings, and the notes of each content in order; contents with two kinds are left out."""
    unique: dict[str, list[Note]] = {}
    warnings = []
    repeated = 0
    for id_, same in sorted(copies.items()):
        same = sorted(same, key=lambda note: note.source)
        if len({note.kind for note in same}) > 1:
            same = [same[place] for place in each_kind_first([note.kind for note in same])]
            places = listed([f"{note.source} ({note.kind})" for note in same])
            warnings.append(
                f"the same note under different kinds is left out, decide on one: {places}"
            )
            continue
        repeated += len(same) - 1
        unique[id_] = same
    if repeated:
        warnings.append(
            f"{repeated} exact cop{'y' if repeated == 1 else 'ies'} of other notes left out"
        )
    return warnings, unique


def _left_out(sources: Sequence[str]) -> list[str]:
    if not sources:
        return []
    some = ", ".join(sources[:3]) + (", ..." if len(sources) > 3 else "")
    return [
        f"{len(sources)} note{'s'[: len(sources) != 1]} left out: nearly the same text as notes on "
        f"another side, or of one file or source with them: {some}"
    ]


def _one_large_group(items: Sequence[Item]) -> list[str]:
    """A warning where most notes hang together: the other sides then hold little else."""
    ((group, n),) = Counter(item.group for item in items).most_common(1)
    if 2 * n <= len(items):
        return []
    sources = [item.source for item in items if item.group == group]
    return [
        f"{n} of {len(items)} notes stand on one side, for they are nearly the same text, or of one file or "
        f"source: {sources[0]}, {sources[1]}, ... (where the source says nothing, set "
        "split.same_source = false)"
    ]


def _check_kinds(items: Sequence[Item]) -> list[str]:
    """Warnings about single kinds. Raises NotesError where nothing can be trained or measured."""
    stands: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        stands[item.kind][item.side] += 1
    if len(stands) == 1:
        raise NotesError(
            f'there is only one kind, "{items[0].kind}", and nothing to tell apart: add notes of a '
            "second kind, for example a folder `none` with notes that are none of it"
        )
    counts = listed([f"{kind}: {sides.total()}" for kind, sides in sorted(stands.items())])
    if not any(sides["train"] for sides in stands.values()):
        raise NotesError(
            "every note is held back for the test or validation, so nothing is left to train on: "
            "add notes, or lower split.test and split.validation"
        )
    trained = [kind for kind, sides in stands.items() if sides["train"]]
    if len(trained) == 1:
        raise NotesError(
            f'only "{trained[0]}" has notes to train on, and there is nothing to tell it from: all others are '
            f"held back, for that is where they stood before: add notes of other kinds ({counts})"
        )
    if not any(sides["test"] for sides in stands.values()):
        raise NotesError(
            f"no kind has {LEAST} different notes, so nothing can be measured: add notes ({counts})"
            if all(sides.total() < LEAST for sides in stands.values())
            else "no note can be held back to measure with: those of each kind are nearly the same text, of "
            f"one file or source (see split.same_source), or were trained on before: add notes ({counts})"
        )
    warnings = []
    thin: dict[str, int] = {}
    for kind, sides in sorted(stands.items()):
        n = sides.total()
        if not sides["train"]:
            warnings.append(f'kind "{kind}" has no note left to train on: add some')
        elif not sides["test"] and n < LEAST:
            thin[kind] = n
        elif not sides["test"]:
            warnings.append(
                f'kind "{kind}" has {n} notes and none to measure with: they are nearly the same text, of '
                "one file or source, or were trained on before (add others)"
            )
    return [*warnings, *_on_thin(thin)]


def _on_thin(kinds: Mapping[str, int]) -> list[str]:
    """Warnings about kinds with so few notes that they are not measured; many are told in one."""
    if len(kinds) > _TOLD:
        return [
            f"{len(kinds):,} kinds have fewer than {LEAST} notes, are trained on and cannot be measured "
            f"(are they kinds?): {listed(list(kinds))}"
        ]
    return [
        f'kind "{kind}" has only {n} note{"s"[: n != 1]}: it is trained on but cannot '
        f"be measured (add at least {LEAST - n} more)"
        for kind, n in kinds.items()
    ]


def _fingerprint(items: Iterable[Item]) -> str:
    # A group of one is not named, as in datasets that were written before there were groups.
    lines = sorted(
        f"{item.id} {item.side} {item.kind}" + f"\t{item.group}" * (item.group != item.id)
        for item in items
    )
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
    rows = (json.dumps(asdict(item), ensure_ascii=False) for item in dataset.items)
    text = "".join(f"{row}\n" for row in rows)
    manifest = {
        "fingerprint": dataset.fingerprint,
        "items_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "kinds": list(dataset.kinds),
        "counts": dict(Counter(item.side for item in dataset.items)),
        "warnings": list(dataset.warnings),
    }
    files.write(aside / "items.jsonl", text)
    files.write(aside / "manifest.json", json.dumps(manifest, ensure_ascii=False, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    files.replace(aside, folder)
    files.sync(folder.parent)


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


def read_own(folder: Path) -> dict[str, tuple[str, str]]:
    """Content id -> (kind, side) of a dataset's own notes, without holding their texts.

    Raises OSError, ValueError, TypeError or KeyError where it is gone or damaged.
    """
    with (folder / "items.jsonl").open(encoding="utf-8", newline="\n") as lines:
        items = map(json.loads, lines)
        return {i["id"]: (i["kind"], i["side"]) for i in items if not i.get("origin")}
