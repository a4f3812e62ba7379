"""The time plan: the time left during training, and warnings if the night is too short."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nightschool.config.paths import School
from nightschool.config.settings import NightSettings, Settings, TrainSettings
from nightschool.learning.encoding import Encoded
from nightschool.learning.memory_plan import MemoryPlan
from nightschool.learning.time_model import BaseSize, Pace, TimedStep
from nightschool.learning.timing import packs_of, shorter_texts, workload_of
from nightschool.learning.training_task import TaskIdentity, TrainingTask
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from nightschool.stages import time_plan
from nightschool.stages.context import StageContext
from nightschool.stages.time_plan import Clock, TimePlan, recall, remember, ways

PLAN = MemoryPlan(budget=1000, recomputed=0, bytes={})
# A second for each 100 tokens.
PACE = Pace(pass_s=0.0, token_s=0.01, share=0.1)


def task(notes: int = 16, tokens: int = 100, **settings: Any) -> TrainingTask:
    """Notes of 100 tokens in all, one of them the prompt's, and no validation."""
    return TrainingTask(
        notes=[Encoded([1] * tokens, [2], 0, False)] * notes,
        ids=[f"{number:04}" for number in range(notes)],
        sources=["note.md"] * notes,
        validation=[],
        prefix=[1],
        padding=0,
        settings=TrainSettings(chunk_minutes=1e6, **settings),
        identity=TaskIdentity("d", "p", "b"),
    )


class Told:
    """A parent that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.left: list[float] = []

    def say(self, kind: str, message: str) -> None:
        self.said.append(message)

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None:
        assert eta_s is not None
        self.left.append(eta_s)


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    settings = Settings(night=NightSettings(start="23:00", end="07:00"))
    return StageContext(School(tmp_path), 1, settings, Told())  # type: ignore[arg-type]


def clock(context: StageContext, task: TrainingTask, timed: list[TimedStep]) -> Clock:
    identity = SimpleNamespace(token_budget=PLAN.budget)
    engine: Any = SimpleNamespace(batching=packs_of(task), identity=identity)
    device: Any = SimpleNamespace(label="a device")
    return Clock(context, engine, PLAN, TimePlan(task, PACE, 0.0, (), timed), device)


def test_the_time_left_follows_the_pace_at_first_and_the_measured_steps_later(
    context: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of 8 notes are 793 tokens, 7.93 s by the pace; here each takes twice that."""
    times = iter(range(0, 1000))
    monkeypatch.setattr(time, "perf_counter", lambda: next(times) * 2 * 7.93)
    training = task(notes=80, epochs=2.0)
    watch = clock(context, training, [])
    for step in range(1, 21):
        watch.progress(step, 20, 0.5, None)
    left = context.parent.left  # type: ignore[attr-defined]
    assert left[0] == pytest.approx(19 * 7.93)
    # After four timed steps, with the weight of three for the pace: 11 / 7 of it.
    assert left[4] == pytest.approx(15 * 7.93 * 11 / 7)
    assert left[18] == pytest.approx(7.93 * 2, rel=0.2)
    assert left[19] == 0


def test_steps_that_end_an_epoch_are_not_stored(context: StageContext) -> None:
    training = task(notes=40, epochs=2.0)
    watch = clock(context, training, [])
    for step in range(1, 11):
        watch.progress(step, 10, 0.5, None)
    watch.remember()
    _, (name, kept) = json.loads(context.school.pace_file.read_text("utf-8")).items()
    assert name == "a device; base b; layers all; 1000 tokens a pass; 0 recomputed"
    assert [tuple(step[:2]) for step in kept["timed"]] == [(1, 793)] * 7  # not 1, 5, 10
    assert recall(context.school, name)[0].tokens == 793


def test_a_chunk_too_short_to_time_stores_the_steps_timed_at_its_start(
    context: StageContext,
) -> None:
    start = [TimedStep(1, 793, 8.0)] * 3
    watch = clock(context, task(epochs=1.0), start)
    watch.progress(1, 2, 0.5, None)
    watch.remember()
    _, name = json.loads(context.school.pace_file.read_text("utf-8"))
    assert recall(context.school, name) == start


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"k": 5}', '{"k": {"timed": [[1]]}}', '{"k": {"timed": [["a", 1, 1], [1, 2, 0]]}}'],
)
def test_a_damaged_pace_file_is_replaced(context: StageContext, content: str) -> None:
    context.school.state.mkdir()
    context.school.pace_file.write_text(content, encoding="utf-8")
    assert recall(context.school, "k") == []
    remember(context.school, "k", [TimedStep(1, 2, 3.0)])
    assert recall(context.school, "k") == [TimedStep(1, 2, 3.0)]


def test_a_short_run_does_not_displace_the_steps_of_a_long_one(context: StageContext) -> None:
    long = [TimedStep(1, tokens, 1.0) for tokens in range(1, 101)]
    remember(context.school, "k", long)
    assert len(recall(context.school, "k")) == 24
    remember(context.school, "k", [TimedStep(9, 9, 9.0)] * 4)
    kept = recall(context.school, "k")
    assert kept[:4] == [TimedStep(9, 9, 9.0)] * 4
    assert len(kept) == 24 and all(step in long for step in kept[4:])
    remember(context.school, "k", long)
    assert all(step in long for step in recall(context.school, "k"))


def warned(context: StageContext, timing: Timing, training: TrainingTask) -> list[str]:
    with Ledger(context.school.ledger_file) as ledger:
        ledger.add_run({}, StageName.COMPARE, timing)
    layout = packs_of(training)
    workload = workload_of(training, layout, PLAN.budget)
    base_size = BaseSize(layers=36, weights=2.77e9)
    time_plan._warn(
        context, PACE, workload, shorter_texts(training, layout, PLAN.budget), base_size
    )
    return context.parent.said  # type: ignore[attr-defined, no-any-return]


def test_a_training_longer_than_the_night_is_a_warning_with_alternatives(
    context: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_plan, "left_s", lambda *_: 4 * 3600.0)
    # 10,000 notes of 99 tokens: 9,912.5 s an epoch, 8 h 16 min in all.
    first, *ways = warned(context, Timing.TONIGHT, task(notes=10_000, epochs=3.0))
    assert first == (
        "training takes about 8 h 16 min (7 h 31 min to 9 h 5 min), and the night's window has 4 h: "
        "it would continue the next night and take 2 nights in all"
    )
    assert [way.removeprefix("alternative: ").partition(": about")[0] for way in ways] == [
        "train.epochs = 1", 'base = "Qwen/Qwen2.5-1.5B-Instruct"',
    ]  # fmt: skip


def test_a_training_that_fits_or_runs_now_is_no_warning(
    context: StageContext, tmp_path: Path
) -> None:
    assert warned(context, Timing.TONIGHT, task()) == []
    other = StageContext(School(tmp_path / "now"), 1, context.settings, context.parent)
    assert warned(other, Timing.NOW, task(notes=10_000)) == []


@pytest.mark.parametrize(
    ("window", "settings"),
    [(100, ["train.seeds = 2"]), (50, ["train.seeds = 1"]), (39, [])],
)
def test_the_alternative_to_too_many_seeds_is_fewer_seeds(
    window: float, settings: list[str]
) -> None:
    """One seed's training takes 40 s: a second for each 100 tokens of 40 notes."""
    kept = task(40, epochs=1.0)
    layout = packs_of(kept)
    workload, base_size = workload_of(kept, layout, 1000), BaseSize(4, 1e6)
    assert workload.seconds(PACE) == pytest.approx(40, abs=1)
    found = ways(window, PACE, workload, shorter_texts(kept, layout, 1000), base_size, seeds=3)
    assert [way.setting for way in found] == settings


def test_several_seeds_share_the_time_of_a_quick_run(context: StageContext) -> None:
    """Four epochs of 40 s fit into 200 s less what comes after; for two seeds, two of them."""
    with Ledger(context.school.ledger_file) as ledger:
        ledger.add_run({}, StageName.COMPARE, Timing.NOW)
    for seeds, epochs in ((1, "4 of 4"), (2, "2 of 4")):
        training = task(40, epochs=4.0, seeds=seeds)
        workload = workload_of(training, packs_of(training), 1000)
        lap, chosen = time_plan._quick(context, training, PACE, workload, [], 200.0)
        assert chosen[0].value == epochs
        assert ("for training each of 2 seeds" in chosen[0].reason) == (seeds == 2)
        assert (lap is None) == (seeds == 1)
