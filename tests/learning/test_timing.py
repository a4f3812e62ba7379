from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nightschool.config.errors import Stopped
from nightschool.config.settings import TrainSettings
from nightschool.learning import timing, trainer
from nightschool.learning.base import load_base, load_tokenizer
from nightschool.learning.device import Device, pick
from nightschool.learning.encoding import Encoder
from nightschool.learning.fast import adapter
from nightschool.learning.fast.packed_engine import PackedEngine
from nightschool.learning.memory_plan import MemoryPlan
from nightschool.learning.time_model import QuickPlan, StepSize
from nightschool.learning.timing import (
    packs_of,
    part_of,
    shorter_texts,
    text_lengths,
    time_steps,
    workload_of,
)
from nightschool.learning.training_task import TaskIdentity, TrainingTask, epoch_order
from tests.conftest import KINDS, OPENINGS, THINGS

PLAN = MemoryPlan(budget=150, recomputed=1, bytes={})


@pytest.fixture(scope="module")
def device() -> Device:
    return pick(TrainSettings(device="cpu"))


@pytest.fixture(scope="module")
def task(tiny_base: Path) -> TrainingTask:
    """27 notes in 4 steps, the last of 3; the texts are 12 to 180 tokens long."""
    encoder = Encoder(load_tokenizer(tiny_base), KINDS, {}, "", 180)
    texts = [
        (OPENINGS[kind].format(thing) * (1 + number), kind)
        for number, thing in enumerate(THINGS[:10])
        for kind in KINDS
    ]
    notes = [encoder.encode(text, kind) for text, kind in texts]
    return TrainingTask(
        notes=notes[:-3],
        ids=[f"{number:04}" for number in range(len(notes) - 3)],
        sources=[f"note-{number}.md" for number in range(len(notes) - 3)],
        validation=notes[-3:],
        prefix=encoder.prefix,
        suffix=encoder.suffix,
        padding=encoder.padding,
        settings=TrainSettings(
            device="cpu", epochs=2.0, lora_dropout=0.1, lora_r=4, optimizer="adamw"
        ),
        identity=TaskIdentity("d", "p", "b"),
    )


@pytest.fixture
def engine(tiny_base: Path, device: Device, task: TrainingTask) -> PackedEngine:
    return PackedEngine.prepare(load_base(tiny_base, device, "nf4"), task, PLAN, device)


def test_a_workload_counts_what_the_trainer_does(task: TrainingTask, engine: PackedEngine) -> None:
    workload = workload_of(task, engine.layout, engine.budget, epoch=1)
    assert workload.total_steps == task.total_steps
    for step, amount in enumerate(workload.steps, start=1 + task.steps_per_epoch):
        rows = [task.notes[index] for index in task.indices(step)]
        packs = [
            engine.layout.batch([rows[index] for index in part])
            for part in engine.layout.split(rows, engine.budget)
        ]
        assert amount == StepSize(len(packs), sum(pack.tokens for pack in packs))


def test_rows_count_their_padding(task: TrainingTask) -> None:
    layout = replace(packs_of(task), way="rows")
    amount = workload_of(task, layout, 10_000).steps[0]
    rows = [task.notes[index] for index in task.indices(1)]
    assert amount == StepSize(1, layout.batch(rows).tokens)


def test_timing_changes_no_bit(
    task: TrainingTask, engine: PackedEngine, device: Device, tiny_base: Path
) -> None:
    before = {name: value.clone() for name, value in adapter.tensors(engine.model).items()}
    assert time_steps(engine, task, device)
    after = adapter.tensors(engine.model)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not engine.weights.gradient.any()
    assert engine.optimizer.state_dict()["state"] == {}
    assert engine.dropout.seed is None
    # And the first real step is that of a engine that was never timed.
    other = PackedEngine.prepare(load_base(tiny_base, device, "nf4"), task, PLAN, device)
    losses = [trainer.take_step(s, task, 1, lambda: False) for s in (engine, other)]
    assert losses[0] == losses[1]
    fresh = adapter.tensors(other.model)
    assert all(torch.equal(fresh[name], value) for name, value in after.items())


def test_the_smallest_the_median_and_the_largest_step_are_timed(
    task: TrainingTask, engine: PackedEngine, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    def accumulate(engine: PackedEngine, task: TrainingTask, step: int, *_: object) -> None:
        done.append(step)

    clock = iter([0.0, 9.0, 10.0, 19.0, 20.0, 29.0, 30.0, 31.0, 40.0, 42.0, 50.0, 53.0])
    monkeypatch.setattr(timing, "accumulate", accumulate)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    steps = workload_of(task, engine.layout, engine.budget).steps
    timed = time_steps(engine, task, device)
    assert timed is not None
    assert [step.seconds for step in timed] == [1.0, 2.0, 3.0]  # 9 when each was first done
    sizes = sorted(step.tokens for step in steps)
    assert [step.tokens for step in timed] == [sizes[0], sizes[2], sizes[3]]
    assert done == [*reversed(done[3:]), *done[3:]] and steps[done[0] - 1].tokens == sizes[3]


def test_timing_stops_on_request_and_leaves_no_gradients(
    task: TrainingTask, engine: PackedEngine, device: Device
) -> None:
    asked = iter([False, True])  # after the first pass of the largest step
    with pytest.raises(Stopped):
        time_steps(engine, task, device, lambda: next(asked))
    assert not engine.weights.gradient.any()


def test_too_little_memory_for_the_largest_step_is_reported(
    task: TrainingTask, engine: PackedEngine, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def accumulate(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(timing, "accumulate", accumulate)
    assert time_steps(engine, task, device) is None


def test_shorter_text_takes_less_and_reports_what_it_cuts(task: TrainingTask) -> None:
    layout, texts = packs_of(task), text_lengths(task)
    whole = sum(step.tokens for step in workload_of(task, layout, 150).steps)
    found = shorter_texts(task, layout, 150)
    assert [rung.max_tokens for rung in found] == [128, 96, 64]
    before = whole
    for rung in found:
        tokens = sum(step.tokens for step in rung.workload.steps)
        assert tokens < before
        before = tokens
        assert rung.cut == sum(text > rung.max_tokens for text in texts) / len(texts)
        assert rung.lost == pytest.approx(
            1 - sum(min(text, rung.max_tokens) for text in texts) / sum(texts)
        )


def test_a_part_keeps_the_first_notes_of_the_order_and_the_beginning_of_each(
    task: TrainingTask,
) -> None:
    part = part_of(task, QuickPlan(epochs=1.0, max_tokens=64, steps=2, fits=True))
    kept = {task.ids[index] for index in epoch_order(task.ids, 0, 0)[:16]}
    assert set(part.ids) == kept and len(part.ids) == len(part.notes) == len(part.sources) == 16
    assert part.total_steps == 2
    assert part.validation == task.validation
    assert max(text_lengths(part)) == 64
    for id_, note in zip(part.ids, part.notes, strict=True):
        whole = task.notes[task.ids.index(id_)]
        assert note.prompt[: len(task.prefix) + 64] == whole.prompt[: len(task.prefix) + 64]
        assert note.prompt[-len(task.suffix) :] == list(task.suffix)
        assert (note.answer, note.kind) == (whole.answer, whole.kind)
        assert note.cut == (whole.cut or len(note.prompt) < len(whole.prompt))


def test_another_part_is_another_dataset_to_a_checkpoint(task: TrainingTask) -> None:
    laps = [QuickPlan(1.0, 64, 2, True), QuickPlan(1.0, 64, 1, True), QuickPlan(1.0, None, 2, True)]
    assert len({part_of(task, lap).identity.dataset for lap in laps}) == 3
    whole = part_of(task, QuickPlan(task.settings.epochs, None, None, True))
    assert (whole.notes, whole.ids) == (task.notes, task.ids)
