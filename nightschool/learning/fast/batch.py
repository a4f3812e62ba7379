"""One pass's input: the tokens that a model gets, and the places where its logits are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers import Cache

from nightschool.learning.fast.attention import Segments

Masks = torch.Tensor | dict[str, torch.Tensor]

Way = Literal["segments", "mask", "rows"]
"""How notes are batched: a pack with the attention of `attention.py` ("segments"), a pack with the base's
own attention and a mask ("mask"), or padded rows ("rows")."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The sizes that a pack is padded to, with blank notes and targets of weight 0."""

    tokens: int
    notes: int
    targets: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A model's input and its targets.

    `n` is the number of targets: each answer token in training, one per note in scoring.
    """

    ids: torch.Tensor
    """int64, shape (rows, columns)"""
    positions: torch.Tensor
    """int64, same shape: a token's position in its own note's sequence, which starts with the prompt"""
    mask: Masks | None
    """Packs by "mask": additive, the dtype of the base, shape (1, 1, columns, columns), by layer type if a
    base has several. Rows: int64, shape (rows, columns), 1 for a token, 0 for padding. Else None"""
    segments: Segments | None
    """Packs by "segments": where the sequences are. Else None"""
    row: torch.Tensor
    """int64, shape (n,): the row of `ids` that the target belongs to"""
    column: torch.Tensor
    """int64, shape (n,): the column of `ids` whose logits predict the target"""
    target: torch.Tensor
    """int64, shape (n,): the target token's id; -1 if it is unknown"""
    note: torch.Tensor
    """int64, shape (n,): index of the note among those of the batch"""
    weight: torch.Tensor
    """float32, shape (n,): a target's weight in the loss; those of a note add up to its share times weight"""
    first: torch.Tensor
    """float32, shape (n,): 1 for the first token of an answer, else 0"""
    way: Way
    prompt: Cache | None = None
    """The prompt's keys and values, if `ids` hold the notes without it; see `prompt_cache.py`"""

    @property
    def tokens(self) -> int:
        return self.ids.numel()

    @property
    def _tensors(self) -> tuple[torch.Tensor, ...]:
        where = self.segments.tensors if self.segments else ()
        targets = (self.row, self.column, self.target, self.note, self.weight, self.first)
        return (self.ids, self.positions, *targets, *where)

    def copy_(self, other: Batch) -> None:
        """Copy the values of a pack with the same frame, which may be on another device."""
        for to, of in zip(self._tensors, other._tensors, strict=True):
            to.copy_(of, non_blocking=True)

    def logits(self, model: torch.nn.Module) -> torch.Tensor:
        """The logits that predict the targets, in the base's dtype: shape (n, vocabulary)."""
        inputs: dict[str, Any] = {
            "input_ids": self.ids,
            "position_ids": self.positions,
            "attention_mask": self.mask,
            "past_key_values": self.prompt,
            "use_cache": self.prompt is not None,
        }
        if self.segments is not None:
            inputs["segments"] = self.segments
        kept: Any = self.column
        if self.way == "rows":
            kept = int(self.ids.shape[1] - self.column.min())
        return self.select(model(**inputs, logits_to_keep=kept).logits)

    def select(self, values: torch.Tensor) -> torch.Tensor:
        """The entries for the targets, shape (n, width), of the head's input or output.

        `values` has the shape (rows, kept columns, width): the model keeps the last columns only.
        """
        if self.way != "rows":
            return values[0]
        return values[self.row, self.column - (self.ids.shape[1] - values.shape[1])]
