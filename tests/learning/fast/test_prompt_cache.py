"""The prompt computed once, against the prompt computed with each batch: the same logits in float64."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedModel

from nightschool.learning.encoding import Encoded
from nightschool.learning.fast import attention
from nightschool.learning.fast.attention import Segments
from nightschool.learning.fast.batch import Way
from nightschool.learning.fast.layout_choice import layout_for, windows
from nightschool.learning.fast.packing import Layout
from nightschool.learning.fast.prompt_cache import cache_prompt
from tests.learning.conftest import FAMILIES, PREFIX, build, notes, with_adapter


def layout_of(base: PreTrainedModel, way: Way) -> Layout:
    """A layout whose batches go that way through a base."""
    layout = Layout(tuple(PREFIX), 0, base.device, base.dtype, way)
    if way == "segments":
        base.set_attn_implementation(attention.NAME)
        return replace(layout, kernel="each")
    return replace(layout, windows=windows(base.config)) if way == "mask" else layout


def unanswered() -> list[Encoded]:
    return [replace(note, answer=[]) for note in notes()]


@torch.no_grad()
def logits(base: torch.nn.Module, layout: Layout, budget: int = 70) -> torch.Tensor:
    rows = unanswered()
    found = torch.zeros(len(rows), 96, dtype=torch.float64)
    for part in layout.split(rows, budget):
        found[part] = layout.batch([rows[index] for index in part]).logits(base).double().cpu()
    return found


def alone(base: torch.nn.Module, layout: Layout) -> torch.Tensor:
    """Each note's logits in a full forward pass of its own."""
    return logits(base, layout, budget=1)


def takes(family: str, way: Way) -> bool:
    """Whether a family's notes go that way: windows and soft-capped scores want a mask."""
    if way == "rows":  # Gemma2's softmax goes through float32, where float64's mask is infinite
        return family != "Gemma2"
    return way == "mask" or family in ("Qwen2", "Qwen3", "Llama", "Gemma", "Phi3")


@pytest.mark.parametrize(
    ("family", "way"),
    [(f, w) for f in FAMILIES for w in ("segments", "mask", "rows") if takes(f, w)],
)
def test_a_kept_prompt_changes_no_logit(family: str, way: Way) -> None:
    base = build(family)
    layout = layout_of(base, way)
    kept, why_not = cache_prompt(base, layout)
    assert (kept.prompt is not None, why_not) == (True, "")
    torch.testing.assert_close(logits(base, kept), alone(base, layout), rtol=0, atol=1e-6)
    assert not torch.equal(logits(base, kept)[0], logits(base, kept)[1])


def test_batches_with_a_kept_prompt_hold_the_notes_alone() -> None:
    base = build("Llama")
    layout, _ = layout_for(base, PREFIX, 0, 60)
    kept, _ = cache_prompt(base, layout)
    rows = unanswered()
    assert kept.tokens(rows) == layout.tokens(rows) - len(PREFIX)
    assert kept.batch(rows).tokens == kept.tokens(rows)
    # What is kept is not added to.
    assert torch.equal(logits(base, kept), logits(base, kept))


def test_a_kept_prompt_is_the_adapters_too() -> None:
    model = with_adapter(build("Qwen2"))
    layout, _ = layout_for(model, PREFIX, 0, 60)
    kept, why_not = cache_prompt(model, layout)
    assert why_not == ""
    torch.testing.assert_close(logits(model, kept), alone(model, layout), rtol=0, atol=1e-6)


def test_a_base_whose_logits_change_computes_the_prompt_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = build("Llama")
    layout, _ = layout_for(base, PREFIX, 0, 60)
    forward = base.forward

    def forgetful(**inputs: object) -> object:
        found = forward(**inputs)
        if inputs["past_key_values"] is not None:
            found.logits *= 1.001
        return found

    monkeypatch.setattr(base, "forward", forgetful)
    kept, why_not = cache_prompt(base, layout)
    assert kept is layout
    assert "logits change" in why_not


def test_a_base_that_keeps_nothing_computes_the_prompt_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = build("Llama")
    layout, _ = layout_for(base, PREFIX, 0, 60)
    forward = base.forward
    monkeypatch.setattr(
        base, "forward", lambda **inputs: forward(**{**inputs, "past_key_values": None})
    )
    kept, why_not = cache_prompt(base, layout)
    assert kept is layout
    assert "caches no keys" in why_not


@pytest.mark.parametrize("way", ["segments", "rows"])
def test_no_pass_holds_more_notes_than_asked_for(way: Way) -> None:
    layout = Layout(tuple(PREFIX), 0, torch.device("cpu"), torch.float64, way)
    parts = layout.split(unanswered(), 10_000, most=2)
    assert sorted(index for part in parts for index in part) == list(range(len(unanswered())))
    assert max(map(len, parts)) == 2


def test_kernels_get_the_kept_keys_before_each_notes_own() -> None:
    """What the kernels for sequences of unequal length are told, computed a sequence at a time."""
    prompt, lengths = 5, [3, 4]
    segments = Segments.of(prompt, lengths, torch.device("cpu"), "flash", kept=True)
    numbers = torch.Generator().manual_seed(0)
    query = torch.randn(1, 2, sum(lengths), 8, generator=numbers)
    key, value = (torch.randn(1, 2, prompt + sum(lengths), 8, generator=numbers) for _ in "kv")
    parts = []
    for n in range(len(lengths)):
        asks = slice(*segments.queries[n : n + 2].tolist())
        sees = segments.gather[slice(*segments.keys[n : n + 2].tolist())]
        mask = torch.ones(lengths[n], len(sees)).bool().tril(len(sees) - lengths[n])
        parts.append(
            torch.nn.functional.scaled_dot_product_attention(
                query[:, :, asks], key[:, :, sees], value[:, :, sees], attn_mask=mask, scale=0.3
            )
        )
    by_kernel = torch.cat(parts, 2).transpose(1, 2)
    torch.testing.assert_close(
        by_kernel, attention._each(query, key, value, 0.3, segments), rtol=0, atol=1e-6
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
@pytest.mark.parametrize("kernel", ["flash", "memory-efficient"])
def test_a_kept_prompt_changes_no_logit_on_a_gpu(kernel: str) -> None:
    base = build("Llama", fused=False).to("cuda", torch.float16)  # type: ignore[arg-type]
    layout, _ = layout_for(base, PREFIX, 0, 60, kernel)
    assert layout.kernel == kernel
    kept, why_not = cache_prompt(base, layout)
    assert (kept.prompt is not None, why_not) == (True, "")
    torch.testing.assert_close(logits(base, kept), logits(base, layout), rtol=0, atol=2e-3)
