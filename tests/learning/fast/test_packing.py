"""Packs and padded rows: which notes share one, and where their answers are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nightschool.learning.encoding import Encoded
from nightschool.learning.fast.batch import Frame
from nightschool.learning.fast.layout_choice import layout_for
from nightschool.learning.fast.loss import summed_loss
from nightschool.learning.fast.packing import Layout
from tests.learning.conftest import OFFSETS, PREFIX, assert_equal, build, notes, with_adapter


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=30), budget=st.integers(1, 700),
    packed=st.booleans(),
)  # fmt: skip
def test_every_note_is_in_one_pack_and_none_is_over_the_budget(
    lengths: list[int], budget: int, packed: bool
) -> None:
    layout = Layout(
        tuple(PREFIX), 0, torch.device("cpu"), torch.float32, "segments" if packed else "rows"
    )
    rows = [Encoded([*PREFIX, *[3] * length], [1], 0, False) for length in lengths]
    packs = layout.split(rows, budget)
    assert sorted(index for pack in packs for index in pack) == list(range(len(rows)))
    for pack in packs:
        taken = [lengths[index] for index in pack]
        tokens = sum(taken) + 5 if packed else (max(taken) + 5) * len(taken)
        assert tokens <= budget or len(pack) == 1


def test_rows_end_with_the_answers_and_positions_start_at_each_row(tiny_base: Path) -> None:
    layout = Layout(tuple(PREFIX), 0, torch.device("cpu"), torch.float32, "rows")
    rows = notes()[:3]
    batch = layout.batch(rows)
    assert isinstance(batch.mask, torch.Tensor)
    for number, row in enumerate(rows):
        length = len(row.prompt) + len(row.answer) - 1
        assert batch.ids[number, -length:].tolist() == [*row.prompt, *row.answer[:-1]]
        assert batch.mask[number].sum() == length
        assert batch.positions[number, -length:].tolist() == list(range(length))
        assert batch.target[batch.note == number].tolist() == row.answer


@pytest.mark.parametrize("spare", [2, 40])
def test_blank_notes_change_no_loss_and_no_gradient(spare: int) -> None:
    base = build("Qwen2")
    layout, _ = layout_for(base, PREFIX, 0, 50)
    model = with_adapter(base)
    rows = notes()
    frame = Frame(layout.tokens(rows) + spare, len(rows) + 2, 30)
    found = []
    for batch in (layout.batch(rows, 0.2), layout.batch(rows, 0.2, frame)):
        model.zero_grad()
        loss = summed_loss(model, batch, OFFSETS)
        loss.backward()  # type: ignore[no-untyped-call]
        grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        found.append((loss.item(), grads))
    assert batch.tokens == frame.tokens and len(batch.target) == frame.targets
    assert_equal(found[1], found[0])


def test_blank_notes_may_reach_beyond_a_window_that_no_note_reaches() -> None:
    base = build("Mistral")
    layout, _ = layout_for(base, PREFIX, 0, 12)
    assert layout.way == "segments"
    rows = [Encoded([*PREFIX, 7, 8, 9 + n], [n + 3], 0, False) for n in range(4)]
    frame = Frame(80, len(rows) + 1, len(rows))
    framed = summed_loss(base, layout.batch(rows, 0.25, frame))
    assert framed.item() == pytest.approx(summed_loss(base, layout.batch(rows, 0.25)).item())
