"""What the tests of learning share: a recording reporter, a small training task, and tiny random models.

The models are of every family whose packs are tested, in float64, so that two ways to compute one
number agree to many digits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import PeftModel
from transformers import PreTrainedModel

from nightschool.config.settings import TrainSettings
from nightschool.learning.base import load_tokenizer
from nightschool.learning.encoding import Encoded, Encoder
from nightschool.learning.fast import adapter
from nightschool.learning.fast.layers import decoder_layers, fuse_norms, recompute
from nightschool.learning.fast.loss import summed_loss
from nightschool.learning.fast.packing import Layout
from nightschool.learning.training_task import TaskIdentity, TrainingTask
from tests.conftest import KINDS, OPENINGS, THINGS


class RecordingReporter:
    """A trainer's reporter that remembers steps and messages."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.messages: list[tuple[str, str]] = []

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None:
        self.steps.append(step)

    def say(self, kind: str, message: str) -> None:
        self.messages.append((kind, message))

    def of_kind(self, kind: str) -> list[str]:
        return [message for each, message in self.messages if each == kind]


def task_on(base: Path, optimizer: str = "adamw") -> TrainingTask:
    """A training of 36 short notes on `base`, without validation."""
    encoder = Encoder(load_tokenizer(base), KINDS, {}, "", 64)
    notes = [encoder.encode(OPENINGS[kind].format(t), kind) for kind in KINDS for t in THINGS]
    return TrainingTask(
        notes=notes,
        ids=[f"{number:04}" for number in range(len(notes))],
        sources=["note.md"] * len(notes),
        validation=[],
        prefix=encoder.prefix,
        padding=encoder.padding,
        settings=TrainSettings(optimizer=optimizer, learning_rate=1e-2, lora_dropout=0.1),  # type: ignore[arg-type]
        identity=TaskIdentity(),
    )


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
    model.double().train(False)
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


def with_adapter(base: PreTrainedModel, recomputed: int = 0) -> PeftModel:
    """The base with an adapter in float64 whose two factors are both random."""
    model, _ = adapter.fresh(base, TrainSettings(lora_r=4, lora_dropout=0.0))
    model.double()
    with torch.no_grad():
        for parameter in adapter.tensors(model).values():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64) * 0.2)
    recompute(decoder_layers(base)[:recomputed])
    return model


Losses = tuple[float, dict[str, torch.Tensor]]


def step(model: PeftModel, layout: Layout, budget: int) -> Losses:
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


def assert_equal(one: Losses, other: Losses, rtol: float = 1e-9) -> None:
    assert one[0] == pytest.approx(other[0], rel=rtol)
    assert one[1].keys() == other[1].keys() and one[1]
    for name, gradient in one[1].items():
        torch.testing.assert_close(gradient, other[1][name], rtol=rtol, atol=rtol / 100, msg=name)
