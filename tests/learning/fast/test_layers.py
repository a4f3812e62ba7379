"""Recomputed layers and fused norms against the base's own."""

from __future__ import annotations

import pytest
import torch

from nightschool.learning.fast.layers import fuse_norms
from nightschool.learning.fast.layout_choice import layout_for
from tests.learning.conftest import FAMILIES, PREFIX, assert_equal, build, notes, step, with_adapter


@pytest.mark.parametrize("family", ["Qwen2", "Gemma3"])
@pytest.mark.parametrize("recomputed", [1, 3])
def test_recomputed_layers_change_no_gradient(family: str, recomputed: int) -> None:
    layout, _ = layout_for(build(family), PREFIX, 0, 50)
    plain = step(with_adapter(build(family)), layout, 1000)
    # The random adapters of two models are alike only from the same seed.
    again = step(with_adapter(build(family), recomputed), layout, 1000)
    assert_equal(again, plain)


@pytest.mark.parametrize("family", FAMILIES)
def test_fused_norms_give_the_familys_numbers(family: str) -> None:
    base = build(family, fused=False)
    layout, _ = layout_for(base, PREFIX, 0, 50)
    batch = layout.batch(notes())
    before = batch.logits(base)
    norms = [m for m in base.modules() if type(m).__name__.endswith("RMSNorm")]
    assert fuse_norms(base) == len(norms) > 2 * 3
    torch.testing.assert_close(batch.logits(base), before, rtol=1e-5, atol=1e-5)
