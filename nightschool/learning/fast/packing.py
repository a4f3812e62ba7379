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
    """How notes are batched for a base: fixed for a run. It implements `engine.Batching`."""

    prefix: tuple[int, ...]
    """Token ids of the prompt before the note"""
    padding: int
    """The token id that fills up rows and packs"""
    device: torch.device
    """Where batches are built"""
    dtype: torch.dtype
    """The dtype of the base's arithmetic, and of additive masks"""
    way: Way
    windows: tuple[tuple[str, int | None], ...] = ()
    """Layer types, each with its attention window in tokens (None: unlimited); for additive masks"""
    kernel: str = ""
    """The attention kernel for segments; see `attention.Segments.backend`"""
    prompt: Cache | None = None
    """The prompt's keys and values, if batches do not compute them (`prompt_cache.py`)"""

    def after_prompt(self, note: Encoded) -> tuple[int, ...]:
        """The token ids that a note adds to a pack: its last answer token predicts nothing."""
        return (*note.prompt[len(self.prefix) :], *note.answer[:-1])

    def length(self, note: Encoded) -> int:
        """The tokens that a note adds to a pack."""
        return len(note.prompt) - len(self.prefix) + max(0, len(note.answer) - 1)

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt that every batch computes: 0 with a cached prompt."""
        return len(self.prefix) if self.prompt is None else 0

    def tokens(self, notes: Sequence[Encoded]) -> int:
        """The tokens that one pass over these notes computes, prompt and padding included."""
        if self.way == "rows":
            return len(notes) * (self.prompt_tokens + max(map(self.length, notes), default=0))
        return self.prompt_tokens + sum(map(self.length, notes))

    def split(
        self, notes: Sequence[Encoded], budget: int, most: int | None = None
    ) -> list[list[int]]:
        """The notes' indices in packs of at most `budget` tokens and `most` notes (None: any number).

        First-fit decreasing: the longest note first, each into the first pack with room for it. A note
        longer than the budget gets a pack of its own.
        """
        lengths = [self.length(note) for note in notes]
        most = most or len(notes)
        if self.way == "rows":
            return split_rows([self.prompt_tokens + length for length in lengths], budget, most)
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
                room.append(budget - self.prompt_tokens - lengths[index])
        return packs

    def batch(
        self, notes: Sequence[Encoded], share: float = 1.0, frame: Frame | None = None
    ) -> Batch:
        """The model's input for some notes, each of which counts `share`; a pack is padded to `frame`."""
        return self._rows(notes, share) if self.way == "rows" else self._pack(notes, share, frame)

    def _pack(self, notes: Sequence[Encoded], share: float, frame: Frame | None) -> Batch:
        begin, computed = len(self.prefix), self.prompt_tokens
        ids, positions = list(self.prefix[:computed]), list(range(computed))
        owner = [-1] * begin
        targets: list[_Target] = []
        for number, note in enumerate(notes):
            segment = self.after_prompt(note)
            targets += _targets_of(note, number, share, len(ids) + len(note.prompt) - begin - 1)
            ids += segment
            positions += range(begin, begin + len(segment))
            owner += [number] * len(segment)
        lengths, blank = [self.length(note) for note in notes], []
        if frame:
            blank = [1] * (frame.notes - len(notes))
            blank[-1] += frame.tokens - len(ids) - len(blank)
            ids += [self.padding] * sum(blank)
            # Not beyond the notes': some rotary embeddings change for all tokens with the last position.
            positions += [begin] * sum(blank)
            lengths += blank
            targets += [_Target(0, 0, 0, 0.0, 0.0)] * (frame.targets - len(targets))
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
            [ids], self._tensor([positions]), mask, segments, [0] * len(targets), targets
        )

    def _batch(
        self, ids: object, positions: torch.Tensor, mask: Masks | None, segments: Segments | None,
        rows: Sequence[int], targets: Sequence[_Target],
    ) -> Batch:  # fmt: skip
        return Batch(
            ids=self._tensor(ids),
            positions=positions,
            mask=mask,
            segments=segments,
            row=self._tensor(rows),
            column=self._tensor([target.column for target in targets]),
            target=self._tensor([target.token for target in targets]),
            note=self._tensor([target.note for target in targets]),
            weight=torch.tensor([target.weight for target in targets], device=self.device),
            first=torch.tensor([target.first for target in targets], device=self.device),
            way=self.way,
            prompt=self.prompt,
        )

    def _masks(self, owner: torch.Tensor, positions: torch.Tensor) -> Masks:
        """Additive masks of shape (1, 1, queries, keys): 0 if a query attends to a key, else -inf.

        `owner`, int64 of shape (keys,), is the note of each key (-1: the prompt); `positions`, int64 of
        shape (queries,), are those of the queries, which are the last keys.
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
        """Rows padded on the left, so that all answers are in the last columns.

        With a cached prompt they are padded on the right, so that no padding separates prompt and note.
        """
        begin = len(self.prefix) - self.prompt_tokens
        sequences = [[*note.prompt[begin:], *note.answer[:-1]] for note in notes]
        columns = max(map(len, sequences))
        blank = [columns - len(sequence) for sequence in sequences]
        left = [0 if begin else n for n in blank]
        ids, present = [], []
        targets: list[_Target] = []
        for number, (note, sequence) in enumerate(zip(notes, sequences, strict=True)):
            before, after = left[number], blank[number] - left[number]
            ids.append([self.padding] * before + sequence + [self.padding] * after)
            present.append([1] * begin + [0] * before + [1] * len(sequence) + [0] * after)
            targets += _targets_of(note, number, share, before + len(note.prompt) - begin - 1)
        mask = self._tensor(present)
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, begin:]
        return self._batch(ids, positions, mask, None, [target.note for target in targets], targets)

    def _tensor(self, values: object) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self.device)


@dataclass(frozen=True, slots=True)
class _Target:
    """A place where logits are read; see the fields of `Batch`."""

    column: int
    token: int
    note: int
    weight: float
    first: float


def _targets_of(note: Encoded, number: int, share: float, column: int) -> list[_Target]:
    """The places where a note's answer is read; `column` is that of the prompt's last token."""
    answer, weight = note.answer or [-1], share * note.weight / max(1, len(note.answer))
    return [
        _Target(column + i, token, number, weight, float(i == 0)) for i, token in enumerate(answer)
    ]


def split_rows(lengths: Sequence[int], budget: int, most: int) -> list[list[int]]:
    """Indices of rows of similar length, the longest first, in batches of at most `most` rows.

    `lengths` and `budget` are in tokens; a batch keeps to the budget with its padding.
    """
    parts: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        rows = len(parts[-1]) + 1 if parts else 0
        if parts and lengths[parts[-1][0]] * rows <= budget and rows <= most:
            parts[-1].append(index)
        else:
            parts.append([index])
    return parts
