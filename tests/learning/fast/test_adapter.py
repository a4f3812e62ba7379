"""The adapter's arithmetic and its dropout."""

from __future__ import annotations

from types import MethodType

import pytest
import torch
from peft.tuners.lora import LoraLayer

from nightschool.config.settings import TrainSettings
from nightschool.learning.fast import adapter
from nightschool.learning.fast.layers import decoder_layers, recompute
from nightschool.learning.fast.layout_choice import layout_for
from tests.learning.conftest import (
    FAMILIES,
    PREFIX,
    Losses,
    assert_equal,
    build,
    step,
    with_adapter,
)


def test_our_arithmetic_is_pefts() -> None:
    base = build("Qwen2")
    layout, _ = layout_for(base, PREFIX, 0, 50)
    model = with_adapter(base)
    ours = step(model, layout, 1000)
    for module in model.modules():
        if isinstance(module, LoraLayer):
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
    assert set(kept.flatten().tolist()) == {0.0, 1.0}
    assert float(kept.mean()) == pytest.approx(0.75, abs=0.01)
    assert torch.equal(kept, dropout.drop(ones, 0))
    assert not torch.equal(kept, dropout.drop(ones, 1))
    dropout.seed = 4
    assert not torch.equal(kept, dropout.drop(ones, 0))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_adapter_lies_on_the_decoders_layers_alone(family: str) -> None:
    base = build(family)
    layers = decoder_layers(base)
    wanted = {m for layer in layers for m in layer.modules() if isinstance(m, torch.nn.Linear)}
    model, _ = adapter.fresh(base, TrainSettings(lora_r=4))
    found = {m.get_base_layer() for m in model.modules() if isinstance(m, LoraLayer)}
    assert found == wanted
    decoder = base.get_decoder()  # type: ignore[no-untyped-call]
    assert all(layer in list(decoder.layers) for layer in layers)
