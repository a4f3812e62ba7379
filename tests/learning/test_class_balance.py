"""Rare kinds hold their own: the loss against one written by hand, and against what a training learns."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nightschool.config.settings import TrainSettings
from nightschool.learning.base import load_base, load_tokenizer
from nightschool.learning.class_balance import Balance
from nightschool.learning.device import pick
from nightschool.learning.encoding import Encoded, Encoder
from nightschool.learning.fast.layout_choice import layout_for
from nightschool.learning.fast.loss import summed_loss
from nightschool.learning.fast.packed_engine import PackedEngine
from nightschool.learning.fast.packing import Layout
from nightschool.learning.memory_plan import MemoryPlan
from nightschool.learning.trainer import adapter_sha256, train
from nightschool.learning.training_task import TaskIdentity, TrainingTask
from tests.conftest import KINDS, THINGS
from tests.learning.conftest import OFFSETS, PREFIX, RecordingReporter, build, notes

WAYS = ("logit_adjustment", "class_weights", "none")


def of_kinds(kinds: list[int]) -> list[Encoded]:
    return [Encoded([1], [2], kind, False) for kind in kinds]


@given(st.permutations([0, 1, 2] * 4), st.sampled_from(WAYS))
def test_equal_kinds_change_nothing(kinds: list[int], how: str) -> None:
    balance = Balance.of(how, of_kinds(kinds), [7, 8, 9])
    assert not any(balance.offsets.values())
    assert balance.weighted(of_kinds(kinds)) == of_kinds(kinds)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_class_weights_are_one_in_the_mean_and_alike_for_each_kind_together(
    kinds: list[int],
) -> None:
    balance = Balance.of("class_weights", of_kinds(kinds), range(5))
    weights = [note.weight for note in balance.weighted(of_kinds(kinds))]
    assert sum(weights) == pytest.approx(len(kinds))
    together: Counter[int] = Counter()
    for kind, weight in zip(kinds, weights, strict=True):
        together[kind] += weight  # type: ignore[assignment]
    assert list(together.values()) == pytest.approx([len(kinds) / len(together)] * len(together))


def test_offsets_are_the_logarithms_of_the_frequencies_against_even_ones() -> None:
    balance = Balance.of("logit_adjustment", of_kinds([0, 0, 0, 0, 0, 2]), [11, 12, 13])
    # Kind 1 has no note to learn from and is left as it is.
    assert balance.offsets == pytest.approx({11: math.log(5 / 3), 12: 0.0, 13: math.log(1 / 3)})
    assert balance.choice.reason == "the kinds have 1 to 5 of 6 training notes"


def test_the_loss_is_the_one_written_by_hand() -> None:
    alone, base = build("Qwen2"), build("Qwen2")
    layout, _ = layout_for(base, PREFIX, 0, 50)
    by_hand = 0.0
    for note in notes():
        logits = alone(torch.tensor([[*note.prompt, *note.answer]])).logits
        read = logits[0, len(note.prompt) - 1 : -1].clone()
        read[0] += OFFSETS
        right = read.log_softmax(-1)[range(len(note.answer)), note.answer]
        by_hand -= note.weight * float(right.mean())
    loss = summed_loss(base, layout.batch(notes()), OFFSETS)
    assert float(loss) == pytest.approx(by_hand, rel=1e-6)


class Same(torch.nn.Module):
    """A model that says the same about every note, whatever it reads."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(logits)

    def forward(self, input_ids: torch.Tensor, **_: object) -> SimpleNamespace:
        return SimpleNamespace(logits=self.logits.expand(*input_ids.shape, -1))


@pytest.mark.parametrize(
    ("how", "chances"),
    [
        ("none", [9 / 12, 2 / 12, 1 / 12]),
        ("logit_adjustment", [1 / 3, 1 / 3, 1 / 3]),
        ("class_weights", [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_at_its_best_the_loss_gives_kinds_that_a_note_does_not_tell_apart_equal_chances(
    how: str, chances: list[float]
) -> None:
    rows = [Encoded([1], [kind], kind, False) for kind in [0] * 9 + [1] * 2 + [2]]
    balance = Balance.of(how, rows, [0, 1, 2])
    offsets = torch.tensor([balance.offsets.get(kind, 0.0) for kind in range(3)])
    model = Same(torch.tensor(chances).log().double())
    batch = Layout((), 0, torch.device("cpu"), torch.float64, "rows").batch(balance.weighted(rows))
    summed_loss(model, batch, offsets).backward()  # type: ignore[no-untyped-call]
    assert model.logits.grad == pytest.approx(torch.zeros(3), abs=1e-5)


def adapter_of(base: Path, folder: Path, how: str, counts: list[int]) -> str:
    """The sha256 of the adapter after two steps on notes of several kinds."""
    device = pick(TrainSettings(device="cpu", threads=1))
    encoder = Encoder(load_tokenizer(base), KINDS, {}, "", 64)
    kinds = [kind for kind, count in zip(KINDS, counts, strict=True) for _ in range(count)]
    rows = [
        encoder.encode(f"Buy {thing}.", kind) for thing, kind in zip(THINGS, kinds, strict=True)
    ]
    balance = Balance.of(how, rows, encoder.first_tokens)
    task = TrainingTask(
        notes=balance.weighted(rows),
        ids=list(THINGS),
        sources=list(THINGS),
        validation=[],
        prefix=encoder.prefix,
        padding=encoder.padding,
        settings=TrainSettings(
            device="cpu", epochs=2.0, learning_rate=1e-2, lora_r=4, optimizer="adamw",
            effective_batch=len(rows),
        ),
        identity=TaskIdentity("d", "p", "b"),
        offsets=balance.offsets,
    )  # fmt: skip
    engine = PackedEngine.prepare(
        load_base(base, device, "nf4"), task, MemoryPlan(2000, 0, {}), device
    )
    train(engine, task, folder, RecordingReporter(), lambda: False)
    return adapter_sha256(folder / "adapter")


@pytest.mark.parametrize(("counts", "ends"), [([4, 4, 4], 1), ([9, 2, 1], 3)])
def test_a_training_ends_otherwise_where_and_only_where_the_kinds_are_skewed(
    tiny_base: Path, tmp_path: Path, counts: list[int], ends: int
) -> None:
    assert len({adapter_of(tiny_base, tmp_path / how, how, counts) for how in WAYS}) == ends
