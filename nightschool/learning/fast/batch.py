"""One pass's input: the tokens that a model gets, and the places where its logits are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers import Cache

from nightschool.learning.fast.attention import Segments

Masks = torch.Tensor | dict[str, torch.Tensor]

Way = Literal["segments", "mask", "rows"]
"""How notes go through a base: a pack by the attention of `attention.py`, a pack with a mask by the
base's own attention, or padded rows."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Sizes that a pack is filled up to, with blank notes and questions that weigh nothing."""

    tokens: int
    notes: int
    asked: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What the model gets, and where it is asked.

    `n` counts what is asked: each answer token when training, one place a note when scoring.
    """

    ids: torch.Tensor
    """int64, shape (rows, columns)"""
    positions: torch.Tensor
    """int64, same shape: counted from the first token that the token can see"""
    mask: Masks | None
    """A pack's, where it needs one: additive, shape (1, 1, columns, columns), by layer type where a
    base has several. Rows: int64, 1 where there is a token, shape (rows, columns)."""
    segments: Segments | None
    row: torch.Tensor
    """int64, shape (n,)"""
    column: torch.Tensor
    """int64, shape (n,): the token whose logits answer"""
    target: torch.Tensor
    """int64, shape (n,): the right token; -1 where it is not known"""
    note: torch.Tensor
    """int64, shape (n,): index of the note, as given"""
    weight: torch.Tensor
    """float32, shape (n,): so that a note's answer tokens weigh its share together"""
    first: torch.Tensor
    """float32, shape (n,): 1 where a note's answer begins, else 0"""
    way: Way
    prompt: Cache | None = None
    """The prompt's keys and values, where `ids` hold the notes alone; see `prompt.py`"""

    @property
    def tokens(self) -> int:
        return self.ids.numel()

    @property
    def _tensors(self) -> tuple[torch.Tensor, ...]:
        where = self.segments.tensors if self.segments else ()
        asked = (self.row, self.column, self.target, self.note, self.weight, self.first)
        return (self.ids, self.positions, *asked, *where)

    def copy_(self, other: Batch) -> None:
        """Take over the values of a pack of the same frame, which may be on another device."""
        for to, of in zip(self._tensors, other._tensors, strict=True):
            to.copy_(of, non_blocking=True)

    def logits(self, model: torch.nn.Module) -> torch.Tensor:
        """The model's logits where it is asked: shape (n, vocabulary)."""
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
        return self.asked(model(**inputs, logits_to_keep=kept).logits)

    def asked(self, values: torch.Tensor) -> torch.Tensor:
        """Of what a model's head is given or gives, shape (rows, kept columns, width), where it is
        asked: shape (n, width)."""
        if self.way != "rows":
            return values[0]
        return values[self.row, self.column - (self.ids.shape[1] - values.shape[1])]
