"""A batch that a CUDA graph reads is filled with other packs."""

from __future__ import annotations

import torch

from nightschool.learning.fast.batch import Frame
from nightschool.learning.fast.layout_choice import layout_for
from tests.learning.conftest import PREFIX, build, notes


def test_a_batch_takes_over_another_of_its_frame() -> None:
    layout, _ = layout_for(build("Qwen2"), PREFIX, 0, 50)
    rows = notes()
    frame = Frame(layout.tokens(rows) + 9, len(rows) + 1, 12)
    batch = layout.batch([], 0.0, frame)
    wanted = layout.batch(rows, 0.5, frame)
    batch.copy_(wanted)
    for name in ("ids", "positions", "column", "target", "weight", "first"):
        assert torch.equal(getattr(batch, name), getattr(wanted, name)), name
    assert batch.segments and wanted.segments
    assert all(map(torch.equal, batch.segments.tensors, wanted.segments.tensors))
