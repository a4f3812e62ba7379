"""Batches: notes packed into one sequence, or, if a base cannot take that, padded rows.

A pack is [prompt][note 1][note 2]...: the prompt that all notes share is computed once, each note
sees the prompt and itself, and its positions continue where the prompt's end. So a pack computes what
its notes would compute one by one, without padding between them and without a second prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import Cache

from nightschool.learning.encoding import Encoded
from nightschool.learning.fast.attention import Segments
from nightschool.learning.fast.batch import Batch, Frame, Masks, Way

# Mask rows whose length is a multiple of this need no copy in the attention kernels.
_ALIGNED = 16


@dataclass(frozen=True, slots=True)
class Layout:
    """How notes are put together for a base: fixed for a run."""

    prefix: tuple[int, ...]
    """Token ids of the prompt before the note."""
    padding: int
    device: torch.device
    dtype: torch.dtype
    """The dtype that the base computes in."""
    way: Way
    windows: tuple[tuple[str, int | None], ...] = ()
    """Layer types, and how far each sees in tokens (None: all the way); for a mask."""
    kernel: str = ""
    """The attention kernel for segments; see `attention.Segments.backend`."""
    prompt: Cache | None = None
    """The prompt's keys and values, where it is not computed again with each batch (`prompt.py`)."""

    def after_prompt(self, note: Encoded) -> tuple[int, ...]:
        """The token ids that a note adds to a pack. Nothing follows its last answer token."""
        return (*note.prompt[len(self.prefix) :], *note.answer[:-1])

    def length(self, note: Encoded) -> int:
        """The tokens that a note adds to a pack."""
        return len(note.prompt) - len(self.prefix) + max(0, len(note.answer) - 1)

    @property
    def again(self) -> int:
        """The prompt's tokens that each batch computes again."""
        return len(self.prefix) if self.prompt is None else 0

    def tokens(self, notes: Sequence[Encoded]) -> int:
        """The tokens that one pass over these notes computes, prompt and padding included."""
        if self.way == "rows":
            return len(notes) * (self.again + max(map(self.length, notes), default=0))
        return self.again + sum(map(self.length, notes))

    def split(
        self, notes: Sequence[Encoded], budget: int, most: int | None = None
    ) -> list[list[int]]:
        """The notes' indices in packs of at most `budget` tokens, and at most `most` notes: first fit,
        the longest first.

        A note that is longer than the budget stands alone.
        """
        lengths = [self.length(note) for note in notes]
        most = most or len(notes)
        if self.way == "rows":
            return split_rows([self.again + length for length in lengths], budget, most)
        packs: list[list[int]] = []
        room: list[int] = []
        for index in sorted(range(len(notes)), key=lambda i: (-lengths[i], i)):
            for number, left in enumerate(room):
                if lengths[index] <= left and len(packs[number]) < most:
                    packs[number].append(index)
                    room[number] -= lengths[index]
                    break
            else:
                packs.append([index])
                room.append(budget - self.again - lengths[index])
        return packs

    def batch(
        self, notes: Sequence[Encoded], share: float = 1.0, frame: Frame | None = None
    ) -> Batch:
        """Notes ready for the model: each weighs `share`; a pack is filled up to `frame`, if given."""
        return self._rows(notes, share) if self.way == "rows" else self._pack(notes, share, frame)

    def _pack(self, notes: Sequence[Encoded], share: float, frame: Frame | None) -> Batch:
        begin, again = len(self.prefix), self.again
        ids, positions = list(self.prefix[:again]), list(range(again))
        owner = [-1] * begin
        asked: list[_Asked] = []
        for number, note in enumerate(notes):
            segment = self.after_prompt(note)
            asked += _asked(note, number, share, len(ids) + len(note.prompt) - begin - 1)
            ids += segment
            positions += range(begin, begin + len(segment))
            owner += [number] * len(segment)
        lengths, blank = [self.length(note) for note in notes], []
        if frame:
            blank = [1] * (frame.notes - len(notes))
            blank[-1] += frame.tokens - len(ids) - len(blank)
            ids += [self.padding] * sum(blank)
            # None of its own: some rotary embeddings change for all with the last position.
            positions += [begin] * sum(blank)
            lengths += blank
            asked += [_Asked(0, 0, 0, 0.0, 0.0)] * (frame.asked - len(asked))
        mask, segments = None, None
        if self.way == "mask":
            spare = -len(owner) % _ALIGNED
            ids += [self.padding] * spare
            positions += [0] * spare
            owner += [len(notes)] * spare
            mask = self._masks(self._tensor(owner), self._tensor(positions))
        else:
            longest = (frame.tokens, frame.tokens) if frame else None
            segments = Segments.of(
                begin,
                lengths,
                self.device,
                self.kernel,
                longest,
                len(blank),
                kept=self.prompt is not None,
            )
        return self._batch(
            [ids], self._tensor([positions]), mask, segments, [0] * len(asked), asked
        )

    def _batch(
        self, ids: object, positions: torch.Tensor, mask: Masks | None, segments: Segments | None,
        rows: Sequence[int], asked: Sequence[_Asked],
    ) -> Batch:  # fmt: skip
        return Batch(
            ids=self._tensor(ids),
            positions=positions,
            mask=mask,
            segments=segments,
            row=self._tensor(rows),
            column=self._tensor([place.column for place in asked]),
            target=self._tensor([place.target for place in asked]),
            note=self._tensor([place.note for place in asked]),
            weight=torch.tensor([place.weight for place in asked], device=self.device),
            first=torch.tensor([place.first for place in asked], device=self.device),
            way=self.way,
            prompt=self.prompt,
        )

    def _masks(self, owner: torch.Tensor, positions: torch.Tensor) -> Masks:
        """Additive masks of shape (1, 1, rows, columns): 0 where a token (row) sees another.

        `owner` is the note of each column (-1: the prompt); rows are those that `positions` has.
        """
        rows, order = len(positions), torch.arange(len(owner), device=self.device)
        begin = torch.arange(len(owner) - rows, device=self.device)
        seen = (owner[None] == owner[-rows:, None]) | (owner[None] == -1)
        seen &= order[None] <= order[-rows:, None]
        places = torch.cat([begin, positions])
        masks = {}
        for kind, window in self.windows:
            near = seen
            if window is not None:
                near = seen & (positions[:, None] - places[None] < window)
            mask = torch.zeros(near.shape, dtype=self.dtype, device=self.device)
            masks[kind] = mask.masked_fill_(~near, float("-inf"))[None, None]
        return masks if len(masks) > 1 else next(iter(masks.values()))

    def _rows(self, notes: Sequence[Encoded], share: float) -> Batch:
        """Rows padded on the left, so that all answers stand in the last columns; on the right where
        the prompt is kept, so that nothing stands between it and the note."""
        begin = len(self.prefix) - self.again
        sequences = [[*note.prompt[begin:], *note.answer[:-1]] for note in notes]
        columns = max(map(len, sequences))
        blank = [columns - len(sequence) for sequence in sequences]
        left = [0 if begin else n for n in blank]
        ids, there = [], []
        asked: list[_Asked] = []
        for number, (note, sequence) in enumerate(zip(notes, sequences, strict=True)):
            before, after = left[number], blank[number] - left[number]
            ids.append([self.padding] * before + sequence + [self.padding] * after)
            there.append([1] * begin + [0] * before + [1] * len(sequence) + [0] * after)
            asked += _asked(note, number, share, before + len(note.prompt) - begin - 1)
        mask = self._tensor(there)
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, begin:]
        return self._batch(ids, positions, mask, None, [place.note for place in asked], asked)

    def _tensor(self, values: object) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self.device)


@dataclass(frozen=True, slots=True)
class _Asked:
    column: int
    target: int
    note: int
    weight: float
    first: float


def _asked(note: Encoded, number: int, share: float, column: int) -> list[_Asked]:
    """The places where a note's answer is read, the first after its prompt's last token."""
    answer, weight = note.answer or [-1], share * note.weight / max(1, len(note.answer))
    return [
        _Asked(column + i, token, number, weight, float(i == 0)) for i, token in enumerate(answer)
    ]


def split_rows(lengths: Sequence[int], budget: int, most: int) -> list[list[int]]:
    """Indices of rows of similar length, the longest first: at most `most` of them together, padding and
    all within the budget."""
    parts: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        rows = len(parts[-1]) + 1 if parts else 0
        if parts and lengths[parts[-1][0]] * rows <= budget and rows <= most:
            parts[-1].append(index)
        else:
            parts.append([index])
    return parts
