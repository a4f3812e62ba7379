"""Packs against rows, in float64 and without dropout: the same losses, the same gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nightschool.learning.fast.layout_choice import layout_for, windows
from nightschool.learning.fast.packing import Layout
from tests.learning.conftest import FAMILIES, PREFIX, assert_equal, build, step, with_adapter


def rows_of(layout: Layout) -> Layout:
    return replace(layout, way="rows")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pack_trains_as_its_rows_do_one_by_one(family: str) -> None:
    base = build(family)
    own = base.config._attn_implementation
    layout, why = layout_for(base, PREFIX, 0, 50)
    wanted = "mask" if "sliding_window" in FAMILIES[family] else "segments"
    assert layout.way == wanted, why
    model = with_adapter(base)
    eager = own == "eager"  # its softmax is in float32
    packs = [step(model, layout, budget) for budget in (1000, 45)]
    base.set_attn_implementation(own)
    one_by_one = step(model, rows_of(layout), 1)
    for pack in packs:
        assert_equal(pack, one_by_one, 1e-4 if eager else 1e-9)
    masked = replace(layout, way="mask", windows=windows(base.config))
    assert_equal(step(model, masked, 1000), one_by_one, 1e-4 if eager else 1e-9)
    if not eager:
        assert_equal(step(model, rows_of(layout), 1000), one_by_one)


def test_a_window_that_no_note_reaches_needs_no_mask() -> None:
    assert layout_for(build("Mistral"), PREFIX, 0, 12)[0].way == "segments"
    assert layout_for(build("Mistral"), PREFIX, 0, 13)[0].way == "mask"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda forward: lambda *a, attention_mask=None, segments=None, **k: forward(*a, **k),
        lambda forward: lambda *a, position_ids=None, **k: forward(*a, **k),
    ],
    ids=["attention", "positions"],
)
def test_a_base_that_ignores_who_sees_whom_or_positions_gets_rows(
    spoil: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> None:
    base = build("Qwen2")
    base.model.forward = spoil(base.model.forward)
    layout, why = layout_for(base, PREFIX, 0, 50)
    assert layout.way == "rows"
    assert "takes no packs" in why


def test_a_base_that_refuses_a_mask_of_its_own_gets_rows() -> None:
    base = build("Qwen2")

    own = base.model.forward

    def forward(*args: Any, attention_mask: Any, **kwargs: Any) -> Any:
        if attention_mask is None or attention_mask.dim() != 2:
            raise ValueError("no such mask")
        return own(*args, attention_mask=attention_mask, **kwargs)

    base.model.forward = forward
    layout, why = layout_for(base, PREFIX, 0, 50)
    assert layout.way == "rows"
    assert "no such mask" in why
