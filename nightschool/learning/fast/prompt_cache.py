"""The prompt's keys and values, computed once for all notes that are scored.

Without this cache, each pack of `packing.py` computes the prompt again: with a prompt of 150 tokens
and notes of 120, scoring takes 1.2 times as long on a CPU (`benchmarks/scoring.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from peft import PeftModel
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from nightschool.config.errors import first_line
from nightschool.learning.fast.attention import Segments
from nightschool.learning.fast.layout_choice import probe, slack
from nightschool.learning.fast.packing import Layout


class _PromptLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer's keys and values of the prompt: put before each batch's own, and never extended.

    Both have the shape (1, key heads, prompt tokens, head size).
    """

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys, self.values = keys, values
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = (
            torch.cat([before.expand(len(own), -1, -1, -1), own], dim=-2)
            for before, own in ((self.keys, key_states), (self.values, value_states))
        )
        return keys, values


@torch.no_grad()
def cache_prompt(model: PreTrainedModel | PeftModel, layout: Layout) -> tuple[Layout, str]:
    """The layout whose batches attend to a cached prompt instead of computing it, and "".

    Tried on short notes: if a base's logits change by more than rounding, or its cache holds something
    other than keys and values, returns the unchanged layout and the reason.
    """
    if not layout.prefix:
        return layout, "no prompt precedes the note"
    # Of different lengths, so that rows are padded.
    notes = [probe(layout, 11, 3), probe(layout, 5, 9)]
    expected = torch.cat([layout.batch([note]).logits(model).float() for note in notes])
    try:
        kept = replace(layout, prompt=_computed(model, layout))
        actual = kept.batch(notes).logits(model).float()
    except torch.OutOfMemoryError:
        raise
    except (ValueError, TypeError, RuntimeError, KeyError, IndexError, AttributeError) as error:
        return layout, first_line(error)
    if not float((actual - expected).abs().max()) <= slack(layout, expected):
        return layout, "a note's logits change when the prompt is computed separately"
    return kept, ""


def _computed(model: PreTrainedModel | PeftModel, layout: Layout) -> Cache:
    count = len(layout.prefix)
    inputs: dict[str, Any] = {
        "input_ids": torch.tensor([layout.prefix], device=layout.device),
        "position_ids": torch.arange(count, device=layout.device)[None],
        # Not from the config, whose cache would keep only the window of some layers.
        "past_key_values": DynamicCache(),
        "use_cache": True,
        "logits_to_keep": 1,
    }
    if layout.way == "segments":
        inputs["segments"] = Segments.of(count, [], layout.device, layout.kernel)
    model(**inputs)
    layers = inputs["past_key_values"].layers
    if not layers or any(layer.get_seq_length() != count for layer in layers):
        raise ValueError("the base caches no keys and values of the prompt")
    return Cache(layers=[_PromptLayer(layer.keys, layer.values) for layer in layers])
