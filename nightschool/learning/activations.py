"""Kept activations: what enters the lowest trained layer, computed once, on disk, memory-mapped.

A store is a folder named by what its numbers depend on, with `hidden.bin` (the rows of the shared
prompt, then those of each note, pack by pack), `sums.txt` (the sha256 of each pack's rows) and
`index.json` (what it is of). It is written in a folder `NAME.part` and renamed when it is whole;
what a process that was stopped has left there is gone on with.

Activations tell nearly as much as the notes do: they stay in the school, and a school has one store
at most, until its run is finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import torch

from nightschool.config.files import replace, sync, sync_tree

_FORMAT = 1
_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}

Tokens = tuple[int, ...]


class TooLarge(Exception):
    """A finite activation is beyond what the store's numbers can hold."""


@dataclass(frozen=True)
class Contents:
    """What a store holds: another order, or other packs, would round otherwise."""

    identity: Mapping[str, str]
    """What the numbers depend on beside the tokens: base, prompt, layers, arithmetic, versions."""
    prefix: Tokens
    """Token ids of the shared prompt"""
    packs: Sequence[Sequence[Tokens]]
    """Token ids of each note after the prompt, in the packs in which they are computed"""
    width: int
    """Numbers a token"""

    @cached_property
    def name(self) -> str:
        """The fingerprint (sha256, 16 digits)."""
        seen = [_FORMAT, sorted(self.identity.items()), self.prefix, self.packs, self.width]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]

    @cached_property
    def rows(self) -> list[int]:
        """The tokens that are kept of each pack; the prompt's are kept of the first."""
        counts = [sum(map(len, pack)) for pack in self.packs]
        return [counts[0] + len(self.prefix), *counts[1:]]

    def size(self, dtype: torch.dtype) -> int:
        """Bytes on disk."""
        return sum(self.rows) * self.width * dtype.itemsize


@dataclass(frozen=True, slots=True)
class Kept:
    """A whole store, open for reading."""

    values: torch.Tensor
    """Shape (tokens, width), a memory-mapped file"""
    prefix: int
    """Tokens of the prompt: the first rows"""
    starts: Mapping[Tokens, int]
    """The first row of each note, by its token ids after the prompt"""

    def pack(self, notes: Sequence[Tokens], tokens: int) -> torch.Tensor:
        """What a pack of `tokens` tokens brings to the lowest trained layer: shape (tokens, width).

        `notes` are the token ids after the prompt. Zeros stand for what fills the pack up.
        """
        hidden = self.values.new_zeros(tokens, self.values.shape[1])
        hidden[: self.prefix] = self.values[: self.prefix]
        first = self.prefix
        for note in notes:
            start = self.starts[note]
            hidden[first : first + len(note)] = self.values[start : start + len(note)]
            first += len(note)
        return hidden


def find(folder: Path, contents: Contents) -> tuple[Kept | None, str]:
    """The store of `contents` in `folder`, if it is there and whole; and what is wrong with it, or ""."""
    place = folder / contents.name
    if not place.exists():
        return None, ""
    try:
        dtype = _dtype(place, contents)
        whole = _whole_packs(place, contents, dtype)
        if whole < len(contents.packs) or _file(place).stat().st_size != contents.size(dtype):
            return None, "a pack's numbers differ from their sha256"
    except (OSError, ValueError, KeyError) as error:
        return None, f"{type(error).__name__}: {error}"
    starts, row = {}, len(contents.prefix)
    for pack in contents.packs:
        for note in pack:
            starts[note] = row
            row += len(note)
    values = torch.from_file(str(_file(place)), size=row * contents.width, dtype=dtype)
    return Kept(values.view(row, contents.width), len(contents.prefix), starts), ""


def write(
    folder: Path, contents: Contents, dtype: torch.dtype, compute: Callable[[int], torch.Tensor]
) -> None:
    """Write a store; `compute` gives the activations of a pack, prompt and all: shape (tokens, width).

    Whatever `compute` raises, the packs before it are kept for the next call. Raises TooLarge where
    a number does not fit into `dtype`, OSError as the disk does.
    """
    final = folder / contents.name
    aside = final.with_suffix(".part")
    done = _begun(aside, contents, dtype)
    with _file(aside).open("ab") as data, _sums(aside).open("a", encoding="ascii") as sums:
        for number in range(done, len(contents.packs)):
            hidden = compute(number)
            hidden = hidden if number == 0 else hidden[len(contents.prefix) :]
            stored = hidden.to(dtype)
            if not bool((stored.isfinite() | ~hidden.isfinite()).all()):
                raise TooLarge
            raw = stored.cpu().contiguous().view(torch.uint8).numpy().tobytes()
            data.write(raw)
            sums.write(hashlib.sha256(raw).hexdigest() + "\n")
    sync_tree(aside)
    shutil.rmtree(final, ignore_errors=True)
    replace(aside, final)
    sync(folder)


def drop(folder: Path, begun: Contents | None = None) -> None:
    """Delete the stores in `folder`, whole or not, save that of `begun` if it is not yet whole."""
    spared = f"{begun.name}.part" if begun else ""
    for store in folder.iterdir() if folder.is_dir() else ():
        if store.name != spared:
            shutil.rmtree(store, ignore_errors=True)


def begun_with(folder: Path, contents: Contents) -> tuple[torch.dtype | None, int]:
    """The dtype, and the bytes on disk, of a store that was begun and not finished."""
    aside = (folder / contents.name).with_suffix(".part")
    try:
        return _dtype(aside, contents), _file(aside).stat().st_size
    except (OSError, ValueError, KeyError):
        return None, 0


def _begun(aside: Path, contents: Contents, dtype: torch.dtype) -> int:
    """Make a folder ready for more packs; returns how many are whole in it."""
    whole = 0
    try:
        if _dtype(aside, contents) == dtype:
            whole = _whole_packs(aside, contents, dtype)
    except (OSError, ValueError, KeyError):
        pass  # nothing begun, or nothing of use
    if whole:
        rows = sum(contents.rows[:whole])
        os.truncate(_file(aside), rows * contents.width * dtype.itemsize)
        sums = _sums(aside).read_text("ascii").split()[:whole]
        _sums(aside).write_text("".join(f"{sum_}\n" for sum_ in sums), encoding="ascii")
        return whole
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    index = {
        "fingerprint": contents.name,
        "identity": dict(contents.identity),
        "dtype": str(dtype).removeprefix("torch."),
        "width": contents.width,
        "tokens": contents.rows,
    }
    (aside / "index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
    return 0


def _dtype(place: Path, contents: Contents) -> torch.dtype:
    """The dtype of a store's numbers. Raises ValueError where it is one of something else."""
    index = json.loads((place / "index.json").read_text("utf-8"))
    if index["fingerprint"] != contents.name:
        raise ValueError("it holds the activations of something else")
    return _DTYPES[index["dtype"]]


def _whole_packs(place: Path, contents: Contents, dtype: torch.dtype) -> int:
    """How many packs, from the first on, are as they were written."""
    sums = _sums(place).read_text("ascii").split()
    with _file(place).open("rb") as data:
        for number, (rows, sum_) in enumerate(zip(contents.rows, sums, strict=False)):
            if _read_sum(data, rows * contents.width * dtype.itemsize) != sum_:
                return number
    return min(len(sums), len(contents.rows))


def _read_sum(data: BinaryIO, size: int) -> str:
    return hashlib.sha256(data.read(size)).hexdigest()


def _file(place: Path) -> Path:
    return place / "hidden.bin"


def _sums(place: Path) -> Path:
    return place / "sums.txt"
