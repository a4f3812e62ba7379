from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nightschool.config import files
from nightschool.config.errors import LearningError
from nightschool.config.settings import TrainSettings
from nightschool.learning import run_fingerprint, trainer
from nightschool.learning.base import attach, load_base, load_tokenizer
from nightschool.learning.class_balance import Balance
from nightschool.learning.device import Device, pick
from nightschool.learning.encoding import Encoded, Encoder
from nightschool.learning.fast import packed_engine
from nightschool.learning.fast.adapter import tensors
from nightschool.learning.fast.layout_choice import layout_for
from nightschool.learning.fast.loss import summed_loss
from nightschool.learning.fast.packed_engine import PackedEngine
from nightschool.learning.memory_plan import MemoryPlan
from nightschool.learning.precision import choose
from nightschool.learning.trainer import ChunkResult, adapter_sha256, train
from nightschool.learning.training_task import TaskIdentity, TrainingTask, epoch_order, rate
from tests.conftest import KINDS, OPENINGS, THINGS
from tests.learning.conftest import RecordingReporter

# Two to four packs per step, the lower of two layers recomputed.
PLAN = MemoryPlan(budget=100, recomputed=1, bytes={})


@pytest.fixture(scope="module")
def device() -> Device:
    return pick(TrainSettings(device="cpu"))


@pytest.fixture(scope="module")
def task(tiny_base: Path) -> TrainingTask:
    encoder = Encoder(load_tokenizer(tiny_base), KINDS, {}, "", 64)
    texts = [(OPENINGS[kind].format(thing), kind) for kind in KINDS for thing in THINGS]
    notes = [encoder.encode(text, kind) for text, kind in texts]
    balance = Balance.of("logit_adjustment", notes[:-4], encoder.first_tokens)
    return TrainingTask(
        notes=notes[:-4],
        ids=[f"{number:04}" for number in range(len(notes) - 4)],
        sources=[f"note-{number}.md" for number in range(len(notes) - 4)],
        validation=notes[-4:],
        prefix=encoder.prefix,
        padding=encoder.padding,
        settings=TrainSettings(
            device="cpu", epochs=2.0, learning_rate=1e-2, lora_dropout=0.1,
            lora_r=4, optimizer="adamw", checkpoint_minutes=0.0, chunk_minutes=60.0,
        ),
        identity=TaskIdentity("d", "p", "b"),
        offsets=balance.offsets,
    )  # fmt: skip


Chunk = Callable[..., tuple[ChunkResult, RecordingReporter]]


@pytest.fixture
def chunk(tiny_base: Path, device: Device) -> Chunk:
    """Trains one chunk in a fresh model, as a fresh process would."""

    def run(
        task: TrainingTask, folder: Path, stop_after: float = math.inf
    ) -> tuple[ChunkResult, RecordingReporter]:
        reporter = RecordingReporter()
        model = load_base(tiny_base, device, task.settings.quantisation)
        engine = PackedEngine.prepare(model, task, PLAN, device)
        ended = train(engine, task, folder, reporter, lambda: len(reporter.steps) >= stop_after)
        return ended, reporter

    return run


@pytest.mark.parametrize("optimizer", ["adamw", "adamw_8bit"])
def test_an_interrupted_run_ends_with_the_same_bits(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, optimizer: str
) -> None:
    settings = task.settings.model_copy(update={"optimizer": optimizer})
    task = replace(task, settings=settings)
    whole, _ = chunk(task, tmp_path / "whole")
    steps = []
    for stop_after in (1, 3, 2, math.inf):
        part, reporter = chunk(task, tmp_path / "parts", stop_after)
        steps += reporter.steps
    assert whole.ended == part.ended == "finished"
    assert steps == list(range(1, task.total_steps + 1))
    assert adapter_sha256(tmp_path / "whole/adapter") == adapter_sha256(tmp_path / "parts/adapter")
    assert (whole.losses, whole.validation) == (part.losses, part.validation)


def test_a_kill_between_checkpoints_costs_the_steps_since_the_last_and_no_bit(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk(task, tmp_path / "whole")
    rare = replace(task, settings=task.settings.model_copy(update={"checkpoint_minutes": 60.0}))
    chunk(rare, tmp_path / "killed", 2)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "_validate", die)  # at the end of the first epoch
        with pytest.raises(KeyboardInterrupt):
            chunk(rare, tmp_path / "killed")
    _, reporter = chunk(rare, tmp_path / "killed")
    assert reporter.steps[0] == 3
    assert adapter_sha256(tmp_path / "killed/adapter") == adapter_sha256(tmp_path / "whole/adapter")


def test_a_stop_within_a_step_costs_that_step_and_no_bit(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, tiny_base: Path, device: Device
) -> None:
    chunk(task, tmp_path / "whole")
    reporter = RecordingReporter()
    passes = 0

    def within_the_third_step() -> bool:
        nonlocal passes
        passes = passes + 1 if len(reporter.steps) == 2 else 0
        return passes == 3  # after the loop's own question and the first pass

    model = load_base(tiny_base, device, task.settings.quantisation)
    engine = PackedEngine.prepare(model, task, PLAN, device)
    ended = train(engine, task, tmp_path / "part", reporter, within_the_third_step)
    assert (ended.ended, reporter.steps) == ("stopped", [1, 2])
    chunk(task, tmp_path / "part")
    assert adapter_sha256(tmp_path / "part/adapter") == adapter_sha256(tmp_path / "whole/adapter")


def test_a_stop_within_a_validation_costs_no_step_and_no_bit(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, tiny_base: Path, device: Device
) -> None:
    task = replace(task, validation=[*task.notes] * 3)  # several passes
    whole, _ = chunk(task, tmp_path / "whole")
    reporter, passes = RecordingReporter(), 0

    def within_the_first_validation() -> bool:
        nonlocal passes
        passes += len(reporter.steps) == task.steps_per_epoch
        return passes == 2  # before the second pass

    rare = replace(task, settings=task.settings.model_copy(update={"checkpoint_minutes": 60.0}))
    model = load_base(tiny_base, device, task.settings.quantisation)
    engine = PackedEngine.prepare(model, rare, PLAN, device)
    ended = train(engine, rare, tmp_path / "part", reporter, within_the_first_validation)
    assert (ended.ended, ended.step, ended.validation) == ("stopped", task.steps_per_epoch, [])
    part, reporter = chunk(rare, tmp_path / "part")
    assert reporter.steps[0] == task.steps_per_epoch + 1
    assert adapter_sha256(tmp_path / "part/adapter") == adapter_sha256(tmp_path / "whole/adapter")
    assert (part.losses, part.validation) == (whole.losses, whole.validation)


def test_training_learns_and_peft_loads_the_adapter(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, tiny_base: Path, device: Device
) -> None:
    more = replace(task, settings=task.settings.model_copy(update={"epochs": 6.0}))
    ended, _ = chunk(more, tmp_path)
    first, last = ended.losses[0][1], ended.losses[-1][1]
    assert last < first - 0.5
    assert [step for step, _ in ended.validation] == [4, 8, 12, 16, 20, 24]
    model = load_base(tiny_base, device, "nf4")
    engine = PackedEngine.prepare(model, more, PLAN, device)
    engine.model = attach(load_base(tiny_base, device, "nf4"), tmp_path / "adapter")
    engine.layout, _ = layout_for(engine.model, more.prefix, more.padding, more.longest)
    best = min(loss for _, loss in ended.validation)
    assert trainer._validate(engine, more, lambda: False) == pytest.approx(best, abs=1e-5)


def test_a_run_on_the_cpu_leaves_the_gpu_alone(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, tiny_base: Path, device: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It holds no lock of the GPU, whose memory others need. peft looks for one by itself."""

    def touched() -> None:
        pytest.fail("a run on the CPU began to use CUDA")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "_lazy_init", touched)
    chunk(task, tmp_path, 2)
    chunk(task, tmp_path)
    model = attach(load_base(tiny_base, device, "nf4"), tmp_path / "adapter")
    assert {p.device.type for p in model.parameters()} == {"cpu"}


def test_training_ends_early_and_keeps_the_adapter_of_the_best_validation(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, tiny_base: Path, device: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    more = replace(task, settings=task.settings.model_copy(update={"epochs": 9.0, "patience": 2}))
    losses = {4: 5.0, 8: 3.0, 12: 4.0, 16: 3.5}
    at_step_8 = {}

    def validate(engine: PackedEngine, *_: object) -> float:
        step = next(step for step in losses if step not in seen)
        seen.append(step)
        if step == 8:
            at_step_8.update({k: v.clone() for k, v in tensors(engine.model).items()})
        return losses[step]

    seen: list[int] = []
    monkeypatch.setattr(trainer, "_validate", validate)
    chunk(more, tmp_path, 13)  # interrupted behind the best
    ended, reporter = chunk(more, tmp_path)
    assert (ended.ended, ended.step) == ("finished", 16)
    assert any("keeps the adapter of step 8" in text for _, text in reporter.messages)
    saved = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert {torch.equal(value, at_step_8[_peft_name(name)]) for name, value in saved.items()} == {
        True
    }


def _peft_name(saved: str) -> str:
    return saved.replace(".weight", ".default.weight")


def test_a_chunk_ends_when_its_time_is_over(
    task: TrainingTask, chunk: Chunk, tmp_path: Path
) -> None:
    short = replace(task, settings=task.settings.model_copy(update={"chunk_minutes": 0.0}))
    ended, reporter = chunk(short, tmp_path)
    assert (ended.ended, reporter.steps) == ("chunk_done", [1])


@pytest.mark.parametrize("key", ["dataset", "prompt", "base"])
def test_a_checkpoint_of_something_else_is_refused(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, key: str
) -> None:
    chunk(task, tmp_path, 1)
    with pytest.raises(LearningError, match=f"made with another {key}"):
        chunk(replace(task, identity=replace(task.identity, **{key: "other"})), tmp_path)


def test_other_versions_are_reported_and_the_run_resumes(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk(task, tmp_path, 1)
    monkeypatch.setattr(run_fingerprint, "library_versions", lambda: {"torch": "9.9"})
    _, reporter = chunk(task, tmp_path, 1)
    warning = next(text for kind, text in reporter.messages if kind == "warning")
    assert "torch was" in warning and "no longer bit-exact" in warning
    assert reporter.steps == [2]


def test_another_optimizer_starts_without_averages(
    task: TrainingTask, chunk: Chunk, tmp_path: Path
) -> None:
    """As paged_adamw_8bit is AdamW where there is no CUDA."""
    chunk(
        replace(task, settings=task.settings.model_copy(update={"optimizer": "adamw_8bit"})),
        tmp_path,
        1,
    )
    state = tmp_path / "checkpoints/step-00000001/state.json"
    state.write_text(state.read_text("utf-8").replace('"adamw_8bit"', '"adamw"'), "utf-8")
    sums = state.with_name("manifest.json")
    known = json.loads(sums.read_text("utf-8")) | {"state.json": files.sha256(state)}
    sums.write_text(json.dumps(known), "utf-8")
    _, reporter = chunk(task, tmp_path, 1)
    warnings = [text for kind, text in reporter.messages if kind == "warning"]
    assert reporter.steps == [2]
    assert "optimizer was AdamW8bit and is now AdamW: the run resumes" in warnings[0]
    assert "without the averages of the old one" in warnings[1]


def test_another_setting_is_refused_and_named(
    task: TrainingTask, chunk: Chunk, tmp_path: Path
) -> None:
    chunk(task, tmp_path, 1)
    other = replace(task, settings=task.settings.model_copy(update={"lora_r": 8}))
    with pytest.raises(LearningError, match=r"with train\.lora_r = 4, and this run has 8"):
        chunk(other, tmp_path)


def _without_finite_loss(monkeypatch: pytest.MonkeyPatch, steps: set[int]) -> None:
    take_step = trainer.take_step

    def step(
        engine: PackedEngine, task: TrainingTask, number: int, *others: object
    ) -> float | None:
        if number not in steps:
            return take_step(engine, task, number, *others)  # type: ignore[arg-type]
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(packed_engine, "summed_loss", lambda *a: summed_loss(*a) * math.nan)
            return take_step(engine, task, number, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer, "take_step", step)


def test_a_step_without_a_finite_loss_is_skipped_and_reported(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_finite_loss(monkeypatch, {3, 5, 6})
    ended, reporter = chunk(task, tmp_path)
    assert ended.ended == "finished" and ended.skipped == [3, 5, 6]
    assert [step for step, _ in ended.losses] == [1, 2, 4, 7, 8]
    warnings = [text for kind, text in reporter.messages if kind == "warning"]
    first = task.sources[task.indices(3)[0]]
    assert "step 3 is not finite: skipped" in warnings[0] and first in warnings[0]


def test_gradients_that_no_scale_makes_finite_end_the_run(
    task: TrainingTask, tmp_path: Path, tiny_base: Path
) -> None:
    turing = Device(torch.device("cpu"), choose("cuda", (7, 5)), 1, ())
    more = replace(task, settings=task.settings.model_copy(update={"epochs": 4.0}))
    engine = PackedEngine.prepare(load_base(tiny_base, turing, "none"), more, PLAN, turing)
    run, before = engine.run_pass, engine.weights.parameter.detach().clone()

    def overflows(notes: Sequence[Encoded], share: float) -> torch.Tensor:
        loss = run(notes, share)
        engine.weights.gradient[0] = math.inf
        return loss

    engine.run_pass = overflows  # type: ignore[method-assign]
    reporter = RecordingReporter()
    with pytest.raises(
        LearningError, match=r"loss or a gradient is not finite in 12 steps in a row"
    ):
        train(engine, more, tmp_path, reporter, lambda: False)
    assert torch.equal(engine.weights.parameter, before)
    assert engine.scaler.get_scale() == 0.5  # 2^11, halved twelve times
    assert "a gradient of step 1 is not finite: skipped" in reporter.messages[-11][1]


def test_three_steps_without_a_finite_loss_end_the_run_and_name_the_notes(
    task: TrainingTask, chunk: Chunk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_finite_loss(monkeypatch, {2, 3, 4})
    with pytest.raises(LearningError, match=r"3 steps in a row .*step 4.*note-") as error:
        chunk(task, tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("where", "done"), [("take_step", 3), ("_validate", 4)])
def test_work_interrupted_by_out_of_memory_is_repeated(
    task: TrainingTask,
    chunk: Chunk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    done: int,
) -> None:
    chunk(task, tmp_path / "whole")
    own, calls = getattr(trainer, where), []

    def short_of_memory(*arguments: object) -> object:
        calls.append(own(*arguments))
        if len(calls) == (4 if where == "take_step" else 1):
            raise RuntimeError("CUDA error: out of memory")
        return calls[-1]

    with monkeypatch.context() as patched:
        patched.setattr(trainer, where, short_of_memory)
        ended, reporter = chunk(task, tmp_path / "parts")
    assert (ended.ended, ended.step) == ("out_of_memory", done)
    _, reporter = chunk(task, tmp_path / "parts")
    assert reporter.steps[0] == done + 1
    assert adapter_sha256(tmp_path / "parts/adapter") == adapter_sha256(tmp_path / "whole/adapter")


def test_the_error_names_layers_that_the_base_lacks(
    task: TrainingTask, chunk: Chunk, tmp_path: Path
) -> None:
    settings = task.settings.model_copy(update={"lora_targets": ["q_proj", "qkv"]})
    with pytest.raises(LearningError, match=r"no layer qkv; it has .*q_proj"):
        chunk(replace(task, settings=settings), tmp_path)


def test_an_epoch_takes_each_note_once_in_an_order_of_its_own() -> None:
    ids = [str(number) for number in range(50)]
    first, second = epoch_order(ids, 0, 0), epoch_order(ids, 0, 1)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert epoch_order(ids, 1, 0) != first


def _rates(schedule: str) -> Iterator[float]:
    settings = TrainSettings.model_validate({"schedule": schedule, "warmup": 0.1})
    return (rate(step, 100, settings) for step in range(1, 101))


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_learning_rate_warms_up_and_never_reaches_zero(schedule: str) -> None:
    rates = list(_rates(schedule))
    assert rates[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert all(later <= earlier for earlier, later in pairwise(rates[9:]))
    assert rates[-1] > 0
    assert (rates[-1] < 0.05) == (schedule != "constant")
