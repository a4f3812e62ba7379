"""Training from kept activations against running every layer in each step."""

from __future__ import annotations

import errno
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from nightschool.config.errors import Stopped
from nightschool.config.settings import TrainSettings
from nightschool.learning import activations, frozen_layers
from nightschool.learning.base import attach, load_base, load_tokenizer
from nightschool.learning.device import Device, pick
from nightschool.learning.encoding import Encoded, Encoder
from nightschool.learning.fast import adapter
from nightschool.learning.fast.layers import decoder_stack, recompute
from nightschool.learning.fast.packing import Frame, Layout, layout_for
from nightschool.learning.memory_plan import MemoryPlan
from nightschool.learning.prepared_model import place_of, prepare, summed_loss
from nightschool.learning.trainer import ChunkResult, adapter_sha256, train
from nightschool.learning.training_task import TrainingTask
from tests.conftest import KINDS, OPENINGS, THINGS
from tests.learning.fast.test_packing import (
    FAMILIES,
    OFFSETS,
    PREFIX,
    assert_equal,
    build,
    notes,
    step,
)
from tests.learning.test_trainer import Told

DEPTH, TOP = 4, 2


@pytest.fixture
def place(tmp_path: Path) -> frozen_layers.Place:
    return frozen_layers.Place(
        tmp_path / "kept", {"base": "b"}, lambda kind, text: None, lambda: False
    )


def with_top_adapter(base: PreTrainedModel, top: int, dtype: torch.dtype) -> adapter.PeftModel:
    """The base with an adapter on its upper layers whose two factors are both random."""
    settings = TrainSettings(lora_r=4, lora_dropout=0.0, layers=f"top:{top}")
    model, _ = adapter.fresh(base, settings)
    model.to(dtype)
    with torch.no_grad():
        for parameter in adapter.tensors(model).values():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64) * 0.2)
    return model


def leave_out(
    model: adapter.PeftModel,
    base: PreTrainedModel,
    top: int,
    layout: Layout,
    place: frozen_layers.Place,
) -> Layout:
    layout, choice = frozen_layers.leave_out(
        model, decoder_stack(base), top, layout, notes(), 60, place
    )
    assert choice.value.startswith("kept as"), choice
    return layout


@pytest.mark.parametrize("family", FAMILIES)
def test_kept_activations_give_the_losses_and_gradients_of_all_layers(
    family: str, place: frozen_layers.Place
) -> None:
    base = build(family)
    layout, _ = layout_for(base, PREFIX, 0, 50)
    model = with_top_adapter(base, 2, torch.float64)
    wanted = [step(model, layout, budget) for budget in (1000, 45)]
    kept = leave_out(model, base, 2, layout, place)
    eager = base.config._attn_implementation == "eager"  # its softmax is in float32
    for budget, all_layers in zip((1000, 45), wanted, strict=True):
        assert_equal(step(model, kept, budget), all_layers, 1e-4 if eager else 1e-9)


@pytest.mark.parametrize("top", [1, 2])
def test_kept_activations_go_with_recomputed_layers_and_blank_notes(
    top: int, place: frozen_layers.Place
) -> None:
    base = build("Qwen2")
    layout, _ = layout_for(base, PREFIX, 0, 50)
    model = with_top_adapter(base, top, torch.float64)
    wanted = step(model, layout, 1000)
    kept = leave_out(model, base, top, layout, place)
    recompute(list(decoder_stack(base))[-top:])
    assert_equal(step(model, kept, 1000), wanted)

    rows = notes()
    frame = Frame(kept.tokens(rows) + 9, len(rows) + 2, 30)
    batch, blank = kept.batch(rows, 1 / len(rows), frame), kept.batch([], 0.0, frame)
    blank.copy_(batch)
    assert blank.hidden is not None and torch.equal(blank.hidden, batch.hidden)
    model.zero_grad()
    loss = summed_loss(model, batch, OFFSETS)
    loss.backward()  # type: ignore[no-untyped-call]
    grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    assert_equal((loss.item(), grads), wanted, 1e-6)  # the share is float32


def test_a_blank_pack_has_finite_gradients(place: frozen_layers.Place) -> None:
    base = build("Qwen2")
    layout, _ = layout_for(base, PREFIX, 0, 50)
    model = with_top_adapter(base, 2, torch.float64)
    kept = leave_out(model, base, 2, layout, place)
    summed_loss(model, kept.batch([], 0.0, Frame(40, 4, 9)), OFFSETS).backward()  # type: ignore[no-untyped-call]
    for name, parameter in adapter.tensors(model).items():
        assert not parameter.isnan().any(), name
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_float32_is_kept_as_fp16_and_rounds_little(place: frozen_layers.Place) -> None:
    base = build("Qwen2").float()
    layout, _ = layout_for(base, PREFIX, 0, 50)
    model = with_top_adapter(base, 2, torch.float32)
    wanted = step(model, layout, 1000)
    kept = leave_out(model, base, 2, layout, place)
    assert kept.begins == "kept as float16"
    loss, gradients = step(model, kept, 1000)
    assert loss == pytest.approx(wanted[0], rel=1e-3)
    error = sum(float((g - wanted[1][name]).square().sum()) for name, g in gradients.items())
    assert error < 1e-3 * sum(float(g.square().sum()) for g in wanted[1].values())


def test_activations_beyond_fp16_are_kept_as_bf16(place: frozen_layers.Place) -> None:
    base = build("Qwen2").float()
    base.get_input_embeddings().weight[5] *= 1e8  # the first token of the prompt
    layout, _ = layout_for(base, PREFIX, 0, 50)
    model = with_top_adapter(base, 2, torch.float32)
    kept = leave_out(model, base, 2, layout, place)
    assert kept.begins == "kept as bfloat16"
    assert kept.kept and kept.kept.values.isfinite().all()


def test_a_base_that_does_more_with_what_it_embeds_runs_all_its_layers(
    place: frozen_layers.Place,
) -> None:
    base = build("Qwen2")
    own = base.model.forward

    def forward(*args: Any, inputs_embeds: torch.Tensor | None = None, **others: Any) -> Any:
        scaled = None if inputs_embeds is None else inputs_embeds * 5.0
        return own(*args, inputs_embeds=scaled, **others)

    base.model.forward = forward
    layout, _ = layout_for(base, PREFIX, 0, 50)
    model = with_top_adapter(base, 2, torch.float64)
    layers = list(decoder_stack(base))
    same, choice = frozen_layers.leave_out(
        model, decoder_stack(base), 2, layout, notes(), 60, place
    )
    assert (same, choice.value) == (layout, "run in each step")
    assert "logits change" in choice.reason
    assert list(decoder_stack(base)) == layers


def test_padded_rows_run_all_layers(place: frozen_layers.Place) -> None:
    base = build("Qwen2")
    layout, _ = layout_for(base, PREFIX, 0, 50)
    rows = replace(layout, way="rows")
    model = with_top_adapter(base, 2, torch.float64)
    same, choice = frozen_layers.leave_out(model, decoder_stack(base), 2, rows, notes(), 60, place)
    assert same is rows and "padded rows" in choice.reason


def contents(**other: Any) -> activations.Contents:
    given: dict[str, Any] = {"identity": {"base": "b"}, "prefix": (1, 2), "width": 3}
    return activations.Contents(**{**given, "packs": [[(5,), (6, 7)], [(8,)], [(9, 9)]], **other})


def numbers(whole: activations.Contents) -> Callable[[int], torch.Tensor]:
    """Each row is its token's id, three times."""

    def compute(pack: int) -> torch.Tensor:
        ids = [*whole.prefix, *(token for note in whole.packs[pack] for token in note)]
        return torch.tensor(ids, dtype=torch.float32)[:, None].expand(-1, whole.width)

    return compute


def test_a_store_gives_each_note_its_rows_and_zeros_for_what_fills_up(tmp_path: Path) -> None:
    whole = contents()
    activations.write(tmp_path, whole, torch.float16, numbers(whole))
    kept, trouble = activations.find(tmp_path, whole)
    assert kept and not trouble
    assert (tmp_path / whole.name / "hidden.bin").stat().st_size == whole.size(torch.float16)
    pack = kept.pack([(8,), (6, 7)], 7)
    assert pack[:, 0].tolist() == [1, 2, 8, 6, 7, 0, 0]


@pytest.mark.parametrize(
    "other",
    [
        {"identity": {"base": "c"}},
        {"prefix": (1, 3)},
        {"packs": [[(5,), (6, 8)], [(8,)], [(9, 9)]]},
    ],
    ids=["base", "prompt", "notes"],
)
def test_a_store_of_something_else_is_not_used(tmp_path: Path, other: dict[str, Any]) -> None:
    activations.write(tmp_path, contents(), torch.float16, numbers(contents()))
    assert activations.find(tmp_path, contents(**other)) == (None, "")
    (tmp_path / contents().name).rename(tmp_path / contents(**other).name)
    found, trouble = activations.find(tmp_path, contents(**other))
    assert found is None and "something else" in trouble


def test_what_was_begun_is_gone_on_with(tmp_path: Path) -> None:
    whole = contents()
    computed: list[int] = []

    def compute(pack: int) -> torch.Tensor:
        if len(computed) == 2:
            raise Stopped
        computed.append(pack)
        return numbers(whole)(pack)

    with pytest.raises(Stopped):
        activations.write(tmp_path, whole, torch.float16, compute)
    assert activations.find(tmp_path, whole) == (None, "")
    again: list[int] = []
    activations.write(
        tmp_path, whole, torch.float16, lambda pack: again.append(pack) or numbers(whole)(pack)
    )
    assert (computed, again) == ([0, 1], [2])
    kept, _ = activations.find(tmp_path, whole)
    assert kept and kept.values[:, 0].tolist() == [1, 2, 5, 6, 7, 8, 9, 9]


@pytest.fixture(scope="module")
def deep_base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with four layers."""
    folder = tmp_path_factory.mktemp("base") / "deep"
    shutil.copytree(tiny_base, folder)
    config = Qwen2Config.from_pretrained(tiny_base)
    config.num_hidden_layers = DEPTH
    config.layer_types = None
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(**{**config.to_dict(), "layer_types": None}))
    model.to(torch.float16).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def device() -> Device:
    return pick(TrainSettings(device="cpu"))


@pytest.fixture(scope="module")
def task(deep_base: Path) -> TrainingTask:
    encoder = Encoder(load_tokenizer(deep_base), KINDS, {}, "", 64)
    texts = [(OPENINGS[kind].format(thing), kind) for kind in KINDS for thing in THINGS[:8]]
    rows = [encoder.encode(text, kind) for text, kind in texts]
    return TrainingTask(
        notes=rows[:-3],
        ids=[f"{number:04}" for number in range(len(rows) - 3)],
        sources=[f"note-{number}.md" for number in range(len(rows) - 3)],
        validation=rows[-3:],
        prefix=encoder.prefix,
        padding=encoder.padding,
        settings=TrainSettings(
            device="cpu", epochs=2.0, learning_rate=1e-2, lora_dropout=0.1, lora_r=4,
            optimizer="adamw", checkpoint_minutes=0.0, layers=f"top:{TOP}",
        ),
        identity={"dataset": "d", "prompt": "p", "base": "b"},
    )  # fmt: skip


Chunk = Callable[..., tuple[ChunkResult, Told]]


@pytest.fixture
def chunk(deep_base: Path, device: Device) -> Chunk:
    """Trains one chunk in a fresh model, as a fresh process would."""

    def run(
        task: TrainingTask, folder: Path, stop_after: float = math.inf, kept: Path | None = None
    ) -> tuple[ChunkResult, Told]:
        told = Told()
        model = load_base(deep_base, device, task.settings.quantisation)
        plan = MemoryPlan(budget=100, recomputed=1, bytes={})

        def should_stop() -> bool:
            return len(told.steps) >= stop_after

        where = kept or folder / "activations"
        place = place_of(where, task, plan, device, told.say, should_stop)
        prepared = prepare(model, task, plan, device, place)
        return train(prepared, task, device, folder, told, should_stop), told

    return run


def store(folder: Path) -> Path:
    """The one store in a run's folder."""
    (found,) = (folder / "activations").iterdir()
    return found


def test_an_interrupted_run_ends_with_the_same_bits_also_when_its_store_is_lost(
    task: TrainingTask, chunk: Chunk, tmp_path: Path
) -> None:
    whole, _ = chunk(task, tmp_path / "whole")
    chunk(task, tmp_path / "parts", 1)
    chunk(task, tmp_path / "parts", 2)
    shutil.rmtree(store(tmp_path / "parts"))
    chunk(task, tmp_path / "parts", 1)
    (tmp_path / "parts/activations/0123456789abcdef").mkdir()  # of another run
    part, _ = chunk(task, tmp_path / "parts")
    assert whole.ended == part.ended == "finished"
    assert adapter_sha256(tmp_path / "whole/adapter") == adapter_sha256(tmp_path / "parts/adapter")
    assert (whole.losses, whole.validation) == (part.losses, part.validation)
    assert not any((tmp_path / "parts/activations").iterdir())


def test_a_damaged_store_is_made_again_with_a_warning_and_no_bit_changes(
    task: TrainingTask, chunk: Chunk, tmp_path: Path
) -> None:
    chunk(task, tmp_path / "whole")
    chunk(task, tmp_path / "parts", 2)
    file = store(tmp_path / "parts") / "hidden.bin"
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    _, told = chunk(task, tmp_path / "parts")
    (warning,) = (text for kind, text in told.said if kind == "warning")
    assert "damaged" in warning and "made again" in warning
    assert adapter_sha256(tmp_path / "whole/adapter") == adapter_sha256(tmp_path / "parts/adapter")


def test_the_lower_layers_are_run_once_for_each_note(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    entering = frozen_layers.entering

    def counted(*given: Any) -> torch.Tensor:
        hidden = entering(*given)
        computed.append(len(hidden))
        return hidden

    monkeypatch.setattr(frozen_layers, "entering", counted)
    _, told = chunk(task, tmp_path, 2)
    assert any(kind == "state" and "MB in" in text for kind, text in told.said)
    passes = len(computed)
    assert passes > 2
    chunk(task, tmp_path)
    assert len(computed) == passes


def test_the_lower_layers_are_gone_while_training(
    task: TrainingTask, device: Device, deep_base: Path, tmp_path: Path
) -> None:
    base = load_base(deep_base, device, "none")
    place = frozen_layers.Place(tmp_path, {}, lambda kind, text: None, lambda: False)
    prepared = prepare(base, task, MemoryPlan(100, 1, {}), device, place)
    layers = list(decoder_stack(base))
    assert [any(True for _ in layer.parameters()) for layer in layers] == [False] * 2 + [True] * 2
    assert prepared.layout.kept is not None


def test_a_stop_while_activations_are_computed_costs_no_step(
    task: TrainingTask, chunk: Chunk, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        chunk(task, tmp_path, 0)
    ended, _ = chunk(task, tmp_path)
    assert ended.ended == "finished"


def test_a_full_disk_means_one_warning_and_all_layers(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(activations, "write", full)
    ended, told = chunk(task, tmp_path)
    assert ended.ended == "finished"
    (warning,) = (text for kind, text in told.said if kind == "warning")
    assert "the disk is full" in warning and "all layers" in warning
    assert not any((tmp_path / "activations").iterdir())


def test_going_on_without_the_store_is_told(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk(task, tmp_path, 1)
    shutil.rmtree(store(tmp_path))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    _, told = chunk(task, tmp_path)
    assert any("no longer bit-exact" in text for kind, text in told.said if kind == "warning")


def test_peft_loads_the_adapter_on_the_whole_base_and_gives_the_validation_loss(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, deep_base: Path, device: Device
) -> None:
    ended, _ = chunk(task, tmp_path)
    model = attach(load_base(deep_base, device, "nf4"), tmp_path / "adapter")
    layout, _ = layout_for(model, task.prefix, task.padding, task.longest)
    named = {name.split(".layers.")[1].split(".")[0] for name in _lora(model)}
    assert named == {"2", "3"}
    rows: list[Encoded] = list(task.validation)
    with torch.no_grad():
        loss = float(summed_loss(model, layout.batch(rows))) / len(rows)
    assert loss == pytest.approx(ended.validation[-1][1], abs=2e-3)  # fp16's rounding


def _lora(model: adapter.PeftModel) -> list[str]:
    return [name for name, _ in model.named_parameters() if "lora_" in name]
