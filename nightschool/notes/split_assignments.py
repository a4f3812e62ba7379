"""Where each content stands, for good: what is kept from one dataset to the next."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nightschool.config import files
from nightschool.config.errors import NotesError
from nightschool.notes.duplicates import VERSION, Signatures, alike, signatures

if TYPE_CHECKING:
    from nightschool.notes.dataset import Item

SPLITS = ("train", "validation", "test")
# Signatures of the contents seen last; 170 bytes each in the file.
_REMEMBERED = 200_000


@dataclass(frozen=True, slots=True)
class SplitAssignments:
    """`known`: content id -> side, of every content ever dealt; `signed`: its MinHash signature.

    Signatures are in the order in which contents were seen last. They tell that a new content is
    an edited one, when the former text is gone.
    """

    known: Mapping[str, str] = field(default_factory=dict)
    signed: Mapping[str, bytes] = field(default_factory=dict)

    def sign(self, texts: Mapping[str, str]) -> Signatures:
        """Signatures of texts (content id -> text), in their order: remembered ones, or computed."""
        new = [id_ for id_ in texts if id_ not in self.signed]
        computed = dict(zip(new, signatures([texts[id_] for id_ in new]), strict=True))
        rows = [
            computed[id_] if id_ in computed else np.frombuffer(self.signed[id_], dtype=np.uint8)
            for id_ in texts
        ]
        return np.stack(rows) if rows else signatures([])

    def claims(self, ids: Sequence[str], signed: Signatures) -> dict[str, set[str]]:
        """The side that each content has, or those of the former contents that it is an edit of.

        `signed` are the signatures of `ids`. A content without a claim is new.
        """
        claims = {id_: {self.known[id_]} for id_ in ids if self.known.get(id_) in SPLITS}
        present = set(ids)
        former = [
            id_ for id_ in self.signed if id_ not in present and self.known.get(id_) in SPLITS
        ]
        new = [number for number, id_ in enumerate(ids) if id_ not in claims]
        if former and new:
            remembered = np.stack([np.frombuffer(self.signed[f], dtype=np.uint8) for f in former])
            for row, match in alike(signed[new], remembered):
                claims.setdefault(ids[new[row]], set()).add(self.known[former[match]])
        return claims

    def after(self, items: Iterable[Item]) -> SplitAssignments:
        """With the items of a dataset: a note that leaves and returns keeps its side."""
        items = list(items)
        texts = {item.id: item.text for item in items}
        signed = {id_: seen for id_, seen in self.signed.items() if id_ not in texts}
        signed |= {id_: row.tobytes() for id_, row in zip(texts, self.sign(texts), strict=True)}
        kept = list(signed.items())[-_REMEMBERED:]
        return SplitAssignments(
            {**self.known, **{item.id: item.side for item in items}}, dict(kept)
        )


def read_split_assignments(file: Path) -> SplitAssignments:
    """What was kept; empty where nothing was. Raises NotesError where the file is damaged.

    Files of an earlier version (content id -> side, nothing else) are read, too.
    """
    if not file.exists():
        return SplitAssignments()
    try:
        kept = json.loads(file.read_text("utf-8"))
        known = kept.get("sides", kept)
        if not all(isinstance(side, str) for side in known.values()):
            raise ValueError("a side is no name")
        # Signatures of another version are dropped: they cannot be compared.
        signed = {
            id_: base64.b64decode(text, validate=True)
            for id_, text in kept.get("signatures", {}).get(VERSION, {}).items()
        }
        if not all(len(row) == signatures([]).shape[1] for row in signed.values()):
            raise ValueError("a signature is cut")
    except (ValueError, AttributeError, TypeError) as error:
        raise NotesError(
            f"{file} is damaged ({error}): restore it, or delete it to deal all notes anew"
        ) from None
    return SplitAssignments(known, signed)


def write_split_assignments(file: Path, items: Iterable[Item]) -> None:
    """Add the items of a dataset to what `read_split_assignments` knows."""
    sides = read_split_assignments(file).after(items)
    signed = {id_: base64.b64encode(row).decode() for id_, row in sides.signed.items()}
    kept = {"sides": dict(sorted(sides.known.items())), "signatures": {VERSION: signed}}
    files.write(file, json.dumps(kept))
