"""The split of every content that was ever assigned: what one dataset passes on to the next."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nightschool.config import bounded_json, files
from nightschool.config.checksums import verify_checksum, with_checksum
from nightschool.config.errors import first_line
from nightschool.ledger.artifacts import damaged, unusable
from nightschool.notes.dataset import Item
from nightschool.notes.duplicates import VERSION, Signatures, alike, signatures
from nightschool.notes.splits import Split

_SPLITS = frozenset(Split)
# Signatures of the most recently seen contents; each takes 170 bytes in the file.
_MAX_SIGNATURES = 200_000


@dataclass(frozen=True, slots=True)
class SplitAssignments:
    """The splits and MinHash signatures of all contents that datasets have had, by content id.

    The signatures recognise an edited note after its former text is gone.
    """

    known: Mapping[str, str] = field(default_factory=dict)
    """A name that is not a `Split` is kept and assigns nothing."""
    signed: Mapping[str, bytes] = field(default_factory=dict)
    """In the order in which the contents were last seen."""

    def sign(self, texts: Mapping[str, str]) -> Signatures:
        """Signatures of texts (content id -> text), in their order: remembered or computed."""
        new = [id_ for id_ in texts if id_ not in self.signed]
        computed = dict(zip(new, signatures([texts[id_] for id_ in new]), strict=True))
        rows = [
            computed[id_] if id_ in computed else np.frombuffer(self.signed[id_], dtype=np.uint8)
            for id_ in texts
        ]
        return np.stack(rows) if rows else signatures([])

    def claims(self, ids: Sequence[str], signed: Signatures) -> dict[str, set[Split]]:
        """The split of each content, or the splits of the former contents that it is an edit of.

        `signed` are the signatures of `ids`. A content without a claim is new.
        """
        claims = {id_: {Split(self.known[id_])} for id_ in ids if self.known.get(id_) in _SPLITS}
        present = set(ids)
        former = [
            id_ for id_ in self.signed if id_ not in present and self.known.get(id_) in _SPLITS
        ]
        new = [number for number, id_ in enumerate(ids) if id_ not in claims]
        if former and new:
            remembered = np.stack([np.frombuffer(self.signed[f], dtype=np.uint8) for f in former])
            for row, match in alike(signed[new], remembered):
                split = Split(self.known[former[match]])
                claims.setdefault(ids[new[row]], set()).add(split)
        return claims

    def after(self, items: Iterable[Item]) -> SplitAssignments:
        """These assignments with a dataset's items added; a note that returns later keeps its split."""
        items = list(items)
        texts = {item.id: item.text for item in items}
        signed = {id_: row for id_, row in self.signed.items() if id_ not in texts}
        signed |= {id_: row.tobytes() for id_, row in zip(texts, self.sign(texts), strict=True)}
        return SplitAssignments(
            {**self.known, **{item.id: item.split for item in items}},
            dict(list(signed.items())[-_MAX_SIGNATURES:]),
        )


def read_split_assignments(file: Path) -> SplitAssignments:
    """Read the assignments; empty before the first dataset. Raises DamagedFile.

    Reads both formats: `{"sides": {id: split}, "signatures": {VERSION: {id: base64}}}`, and the older
    `{id: split}`.
    """
    try:
        text = files.read(file)
        verify_checksum(text)
        content = bounded_json.loads(text)
        known = content.get("sides", content)
        if not all(isinstance(split, str) for split in known.values()):
            raise ValueError("a split is not a string")
        if not content and any(file.parent.glob("*/manifest.json")):
            raise ValueError("it assigns nothing, although there are datasets")
        # Signatures of other versions cannot be compared, so they are dropped.
        signed = {
            id_: base64.b64decode(text, validate=True)
            for id_, text in content.get("signatures", {}).get(VERSION, {}).items()
        }
        if not all(len(row) == signatures([]).shape[1] for row in signed.values()):
            raise ValueError("a signature is truncated")
    except FileNotFoundError as error:
        if any(
            file.parent.glob("*/manifest.json")
        ):  # without it, test notes may become training notes
            raise unusable(file, error) from None
        return SplitAssignments()
    except OSError as error:
        raise unusable(file, error) from None
    except (ValueError, AttributeError, TypeError) as error:
        raise damaged(file, first_line(error)) from None
    return SplitAssignments(known, signed)


def write_split_assignments(file: Path, items: Iterable[Item]) -> None:
    """Add a dataset's items to the assignments in the file."""
    _write(file, read_split_assignments(file).after(items))


def make_split_assignments(file: Path, datasets: Iterable[Iterable[Item]]) -> None:
    """Write the assignments of datasets, the oldest first, in place of a file that is lost."""
    assignments = SplitAssignments()
    for items in datasets:
        assignments = assignments.after(items)
    _write(file, assignments)


def remove_split_assignments(file: Path, ids: Collection[str]) -> None:
    """Remove contents from the assignments in the file; if they return, they are new notes."""
    before = read_split_assignments(file)
    known = {id_: split for id_, split in before.known.items() if id_ not in ids}
    signed = {id_: row for id_, row in before.signed.items() if id_ not in ids}
    if len(known) < len(before.known) or len(signed) < len(before.signed):
        _write(file, SplitAssignments(known, signed))


def _write(file: Path, assignments: SplitAssignments) -> None:
    signed = {id_: base64.b64encode(row).decode() for id_, row in assignments.signed.items()}
    content = {"sides": dict(sorted(assignments.known.items())), "signatures": {VERSION: signed}}
    files.write(file, with_checksum(json.dumps(content)))
