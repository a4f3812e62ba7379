"""Packs against rows, in float64 and with dropout off: the same losses, the same gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MethodType
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel

from nightschool.config.settings import TrainSettings
from nightschool.learning.encoding import Encoded
from nightschool.learning.fast import adapter
from nightschool.learning.fast.layers import decoder_layers, fuse_norms, recompute
from nightschool.learning.fast.packing import Frame, Layout, layout_for, windows
from nightschool.learning.prepared_model import summed_loss

VOCABULARY = 96
PREFIX = [5, 6, 7, 8, 9]
OFFSETS = torch.linspace(-2, 2, VOCABULARY)

SMALL = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": True,
}  # fmt: skip
FAMILIES: dict[str, dict[str, Any]] = {
    "Qwen2": {},
    "Qwen3": {"head_dim": 8},
    "Llama": {},
    "Mistral": {"sliding_window": 12},
    "Gemma": {"head_dim": 8},
    "Gemma2": {"head_dim": 8, "sliding_window": 12},
    "Gemma3": {"head_dim": 8, "sliding_window": 12},
    "Gemma3 with images": {"head_dim": 8, "sliding_window": 12},
    "Phi3": {},
}


def build(family: str, fused: bool = True) -> PreTrainedModel:
    """A tiny random model of a family, in float64; the families' own norms go through float32."""
    settings = {**SMALL, **FAMILIES[family]}
    torch.manual_seed(0)
    model: PreTrainedModel
    if family == "Gemma3 with images":
        sees = {**settings, "image_size": 28, "patch_size": 14}
        both = transformers.Gemma3Config(
            text_config=settings, vision_config=sees, mm_tokens_per_image=4
        )
        model = transformers.Gemma3ForConditionalGeneration(both)
    else:
        name = "Gemma3Text" if family == "Gemma3" else family
        config = getattr(transformers, f"{name}Config")(**settings)
        model = getattr(transformers, f"{family}ForCausalLM")(config)
    model.double().eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    if fused:
        fuse_norms(model)
    return model


def notes(seed: int = 0) -> list[Encoded]:
    numbers = torch.Generator().manual_seed(seed)

    def some(count: int) -> list[int]:
        return torch.randint(3, VOCABULARY, (count,), generator=numbers).tolist()

    shapes = [(20, 2, 1.0), (3, 1, 0.5), (33, 3, 4.0), (11, 2, 1.0), (1, 1, 0.25)]
    return [Encoded([*PREFIX, *some(n)], some(m), 0, False, weight=w) for n, m, w in shapes]


def with_adapter(base: PreTrainedModel, recomputed: int = 0) -> adapter.PeftModel:
    """The base with an adapter in float64 whose two factors are both random."""
    model, _ = adapter.fresh(base, TrainSettings(lora_r=4, lora_dropout=0.0))
    model.double()
    with torch.no_grad():
        for parameter in adapter.tensors(model).values():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64) * 0.2)
    recompute(decoder_layers(base)[:recomputed])
    return model


Losses = tuple[float, dict[str, torch.Tensor]]


def step(model: adapter.PeftModel, layout: Layout, budget: int) -> Losses:
    """A step's loss, and its gradient for each of the adapter's weights."""
    model.zero_grad()
    rows = notes()
    total = 0.0
    for part in layout.split(rows, budget):
        loss = summed_loss(model, layout.batch([rows[i] for i in part]), OFFSETS) / len(rows)
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return total, grads


def rows_of(layout: Layout) -> Layout:
    return replace(layout, way="rows")


def assert_equal(one: Losses, other: Losses, rtol: float = 1e-9) -> None:
    assert one[0] == pytest.approx(other[0], rel=rtol)
    assert one[1].keys() == other[1].keys() and one[1]
    for name, gradient in one[1].items():
        torch.testing.assert_close(gradient, other[1][name], rtol=rtol, atol=rtol / 100, msg=name)


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


def test_our_arithmetic_is_pefts() -> None:
    base = build("Qwen2")
    layout, _ = layout_for(base, PREFIX, 0, 50)
    model = with_adapter(base)
    ours = step(model, layout, 1000)
    for module in model.modules():
        if isinstance(module, adapter.LoraLayer):
            setattr(module, "forward", MethodType(type(module).forward, module))  # noqa: B010
    assert_equal(step(model, layout, 1000), ours)


def test_dropout_is_a_function_of_its_seed_and_recomputed_alike() -> None:
    def losses(seed: int, recomputed: int) -> Losses:
        base = build("Qwen2")
        layout, _ = layout_for(base, PREFIX, 0, 50)
        model, dropout = adapter.fresh(base, TrainSettings(lora_r=4, lora_dropout=0.5))
        model.double()
        with torch.no_grad():
            for parameter in adapter.tensors(model).values():
                parameter.fill_(0.1)
        recompute(decoder_layers(base)[:recomputed])
        dropout.seed = seed
        return step(model, layout, 1000)

    plain = losses(1, 0)
    assert_equal(losses(1, 3), plain)
    assert losses(2, 0)[0] != plain[0]


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    dropout = adapter.Dropout(0.25, torch.device("cpu"))
    ones = torch.ones(200, 200)
    dropout.seed = 3
    kept = dropout.drop(ones, 0)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert float(kept.mean()) == pytest.approx(0.75, abs=0.01)
    assert torch.equal(kept, dropout.drop(ones, 0))
    assert not torch.equal(kept, dropout.drop(ones, 1))
    dropout.seed = 4
    assert not torch.equal(kept, dropout.drop(ones, 0))


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
    for number, row in enumerate(rows):
        length = len(row.prompt) + len(row.answer) - 1
        assert batch.ids[number, -length:].tolist() == [*row.prompt, *row.answer[:-1]]
        assert batch.mask[number].sum() == length
        assert batch.positions[number, -length:].tolist() == list(range(length))
        assert batch.target[batch.note == number].tolist() == row.answer


@pytest.mark.parametrize("family", FAMILIES)
def test_the_adapter_lies_on_the_decoders_layers_alone(family: str) -> None:
    base = build(family)
    layers = decoder_layers(base)
    wanted = {m for layer in layers for m in layer.modules() if isinstance(m, torch.nn.Linear)}
    model, _ = adapter.fresh(base, TrainSettings(lora_r=4))
    found = {m.get_base_layer() for m in model.modules() if isinstance(m, adapter.LoraLayer)}
    assert found == wanted
    assert all(layer in list(base.get_decoder().layers) for layer in layers)


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
    assert batch.tokens == frame.tokens and len(batch.target) == frame.asked
    assert_equal(found[1], found[0])


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


def test_blank_notes_may_reach_beyond_a_window_that_no_note_reaches() -> None:
    base = build("Mistral")
    layout, _ = layout_for(base, PREFIX, 0, 12)
    assert layout.way == "segments"
    rows = [Encoded([*PREFIX, 7, 8, 9 + n], [n + 3], 0, False) for n in range(4)]
    frame = Frame(80, len(rows) + 1, len(rows))
    framed = summed_loss(base, layout.batch(rows, 0.25, frame))
    assert framed.item() == pytest.approx(summed_loss(base, layout.batch(rows, 0.25)).item())
