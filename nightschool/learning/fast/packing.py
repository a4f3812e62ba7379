"""Batches: notes packed into one sequence, or, where a base cannot take that, padded rows.

A pack is [prompt][note 1][note 2]...: the prompt that all notes share is computed once, each note
sees the prompt and itself, and its positions go on where the prompt's end. So a pack computes what
its notes would compute alone, without a padding token between them and without a second prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from peft import PeftModel
from transformers import Cache, PreTrainedConfig, PreTrainedModel

from nightschool.config.errors import first_line
from nightschool.learning.encoding import Encoded
from nightschool.learning.fast import attention
from nightschool.learning.fast.attention import Segments

# Rows of a mask that are a multiple of this long need no copy in the attention kernels.
_ALIGNED = 16

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
        """The tokens of a pack."""
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


def windows(config: PreTrainedConfig) -> tuple[tuple[str, int | None], ...]:
    """A base's layer types and how far each sees, from its config."""
    config = config.get_text_config()
    reach = getattr(config, "sliding_window", None)
    types = sorted(set(getattr(config, "layer_types", None) or []))
    if not types:
        return (("full_attention", reach),)
    return tuple((kind, reach if kind == "sliding_attention" else None) for kind in types)


@torch.no_grad()
def layout_for(
    model: PreTrainedModel | PeftModel, prefix: Sequence[int], padding: int, longest: int,
    kernel: str = "each",
) -> tuple[Layout, str]:  # fmt: skip
    """The layout that a base can take, found by trying it, and the reason in words.

    A pack needs a base whose notes cannot see each other in it: what one note's logits are must not
    change by a bit with its neighbour's tokens, and must be what they are alone. `longest` is the
    most tokens that a note has with its prompt and answer, `kernel` the device's `Precision.attention`.
    """
    rows = Layout(tuple(prefix), padding, model.device, model.dtype, "rows")
    base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    own = base.config._attn_implementation
    tokens = min(9, longest - len(prefix))
    row = rows.batch([probe(rows, 5, tokens)]).logits(model)[0].float()
    reach = windows(model.config)
    trouble = ""
    for packed in (replace(rows, way="segments"), replace(rows, way="mask", windows=reach)):
        narrow = [window for _, window in reach if window and window < longest]
        if packed.way == "segments":
            if narrow:
                continue
            packed = replace(packed, kernel=kernel)
            base.set_attn_implementation(attention.NAME)
        trouble = _trouble(model, packed, row, tokens)
        if not trouble:
            seen = "masked" if packed.way == "mask" else "a sequence of its own to the kernel"
            return packed, f"the prompt once, then the notes, no padding; each note is {seen}"
        base.set_attn_implementation(own)
    return rows, f"rows of similar length: {type(base).__name__} takes no packs ({trouble})"


def probe(layout: Layout, start: int, tokens: int) -> Encoded:
    """A short note of arbitrary tokens."""
    return Encoded([*layout.prefix, *range(start, start + tokens)], [], -1, False)


@torch.no_grad()
def _trouble(
    model: PreTrainedModel | PeftModel, layout: Layout, row: torch.Tensor, tokens: int
) -> str:
    """What is wrong with packs for a base, or ""; `row` are the logits of probe 5 in a row."""
    one, other, second = (probe(layout, start, tokens) for start in (11, 23, 5))
    batches = [layout.batch(notes) for notes in ([one, second], [other, second], [second])]
    try:
        with_one, with_other, alone = (batch.logits(model)[-1].float() for batch in batches)
    except torch.OutOfMemoryError:
        raise  # it says nothing of the base
    except (ValueError, TypeError, RuntimeError, KeyError, IndexError, AttributeError) as error:
        # A base may refuse attention of its own kind in whatever way it likes.
        return first_line(error)
    if not torch.equal(with_one, with_other):
        return "a note's logits change with its neighbour"
    most = slack(layout, row)
    if float((with_one - alone).abs().max()) > most or float((alone - row).abs().max()) > most:
        return "a note's logits differ from those it has alone"
    return ""


def slack(layout: Layout, logits: torch.Tensor) -> float:
    """How far equal logits may lie apart, because kernels for other shapes round otherwise: a few
    units in the last place of the largest."""
    # Parts of some bases go through float32 whatever they are given.
    eps = max(torch.finfo(layout.dtype).eps, torch.finfo(torch.float32).eps)
    return 64 * eps * float(logits.abs().max())
