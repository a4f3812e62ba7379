"""A run of several seeds: each equals a run of its own, one is published, all are reported."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.config.errors import LearningError
from nightschool.config.paths import School
from nightschool.config.settings import TrainSettings
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from nightschool.stages import train
from nightschool.stages.compare import make_report
from nightschool.stages.context import StageContext
from nightschool.stages.endings import Ending
from nightschool.stages.run_stage import run_stage
from nightschool.stages.seeds import median_seed, seed_name, seeds_of, validation_loss
from nightschool.stages.train_chunk import train_chunk
from nightschool.stats.stage_results import (
    BaselineResult,
    EvaluateResult,
    PrepResult,
    StageResult,
    TrainResult,
)
from tests.conftest import new_school

FAST = {"epochs": 1.0, "lora_r": 4, "max_tokens": 64, "checkpoint_minutes": 0.0}


ResultT = TypeVar("ResultT", bound=StageResult)


class Listener:
    """A parent in this process: keeps what it is told, and asks to stop after so many steps."""

    def __init__(self, stop_after: int = 0) -> None:
        self.born = time.monotonic()
        self.said: list[str] = []
        self.steps: list[tuple[int, int]] = []
        self._stop_after = stop_after

    def say(self, kind: str, message: str) -> None:
        self.said.append(message)

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None:
        self.steps.append((step, total))
        assert eta_s is None or eta_s >= 0

    def should_stop(self) -> bool:
        return bool(self._stop_after) and len(self.steps) >= self._stop_after


def complete(school: School, kind: type[ResultT], stop_after: int = 0) -> tuple[ResultT, Listener]:
    """Run a stage, chunk by chunk; with `stop_after` each chunk is stopped after so many steps."""
    heard = Listener()
    while True:
        parent = Listener(stop_after)
        ending = run_stage(school, 1, kind.stage, cast(Any, parent))
        heard.said += parent.said
        heard.steps += parent.steps
        if isinstance(ending.result, kind):
            return ending.result, heard


def prepared(root: Path, base: Path, **train: object) -> School:
    school = new_school(root, base=base.as_posix(), train={**FAST, **train})
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run(load(school.settings_file).model_dump(), StageName.COMPARE, Timing.NOW)
    complete(school, PrepResult)
    return school


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> tuple[School, Listener]:
    """Two seeds, trained with a stop after every third step."""
    school = prepared(tmp_path_factory.mktemp("seeds") / "my 学校", tiny_base, seeds=2)
    return school, complete(school, TrainResult, stop_after=3)[1]


def trained(school: School) -> TrainResult:
    return complete(school, TrainResult)[0]


def test_each_seed_equals_a_run_of_its_own_bit_for_bit(
    seeded: tuple[School, Listener], tmp_path: Path, tiny_base: Path
) -> None:
    """However it was interrupted, and whatever was trained before it."""
    alone = [
        trained(prepared(tmp_path / str(seed), tiny_base, seed=seed)).adapter_sha256
        for seed in (0, 1)
    ]
    found = trained(seeded[0]).seeds
    assert [training.adapter_sha256 for training in found] == alone
    assert alone[0] != alone[1]


def test_steps_and_time_are_counted_over_all_seeds(
    seeded: tuple[School, Listener],
) -> None:
    heard = seeded[1]
    assert heard.steps == [(step, 8) for step in range(1, 9)]
    (estimate,) = (line for line in heard.said if "s per step" in line)
    assert "; 8 steps of 2 seeds: about" in estimate


def test_checkpoints_of_trained_seeds_are_deleted(seeded: tuple[School, Listener]) -> None:
    folder = seeded[0].run_folder(1)
    assert not list(folder.rglob("checkpoints"))
    assert len(list(folder.glob("seed-*/adapter/adapter_model.safetensors"))) == 2


def test_the_median_model_is_published_and_all_are_evaluated(
    seeded: tuple[School, Listener],
) -> None:
    school = seeded[0]
    result = trained(school)
    losses = {one.seed: one.validation_loss for one in result.seeds}
    assert result.seed == min(losses, key=lambda seed: losses[seed] or 0)  # the better of two
    used = school.run_folder(1) / f"seed-{result.seed}/adapter/adapter_model.safetensors"
    published = school.model_folder(1) / "adapter/adapter_model.safetensors"
    assert published.read_bytes() == used.read_bytes()
    complete(school, BaselineResult)
    measured, heard = complete(school, EvaluateResult)
    assert [one.seed for one in measured.seeds] == [0, 1]
    assert result.seed is not None
    assert measured.answers == measured.seeds[result.seed].answers
    assert sum("test notes right" in line for line in heard.said) == 2
    context = StageContext(school, 1, load(school.settings_file), cast(Any, Listener()))
    report = make_report(context)
    assert [(s.seed, s.used) for s in report.seeds] == [
        (seed, seed == result.seed) for seed in (0, 1)
    ]
    assert report.looks.models == 2
    assert any("adapter of seed 1" in by for by in report.looks.by)


def test_a_seed_that_is_trained_is_not_trained_again(seeded: tuple[School, Listener]) -> None:
    """The process died after the last seed and before the model was published."""
    school = seeded[0]
    was = trained(school)
    (school.run_folder(1) / "train.json").unlink()
    again, heard = complete(school, TrainResult)
    assert again == was and heard.steps == []


def test_a_failed_seed_is_named_and_the_others_are_kept(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = prepared(tmp_path, tiny_base, seeds=2)

    def diverges(context: StageContext, folder: Path, number: int) -> TrainResult | Ending:
        if number == 1:
            raise LearningError("the loss is not finite")
        return train_chunk(context, folder, number)

    monkeypatch.setattr(train, "train_chunk", diverges)
    with pytest.raises(LearningError, match=r"^seed 1 \(2 of 2\): the loss is not finite$"):
        trained(school)
    monkeypatch.undo()
    result, heard = complete(school, TrainResult)
    assert len(result.seeds) == 2
    assert [step for step, _ in heard.steps] == [5, 6, 7, 8]


# Pure functions


@given(st.dictionaries(st.integers(0, 9), st.floats(0, 9), min_size=1))
def test_the_published_seed_is_the_median(losses: dict[int, float]) -> None:
    loss = losses[median_seed(losses)]
    assert sum(other < loss for other in losses.values()) <= (len(losses) - 1) // 2
    assert sum(other > loss for other in losses.values()) <= len(losses) // 2


def test_without_validation_the_first_seed_is_used() -> None:
    assert median_seed({4: None, 5: None}) == 4


@pytest.mark.parametrize(("patience", "loss"), [(0, 0.7), (2, 0.5)])
def test_the_validation_loss_is_that_of_the_kept_adapter(patience: int, loss: float) -> None:
    settings = TrainSettings(patience=patience)
    assert validation_loss([(1, 0.9), (2, 0.5), (3, 0.7)], settings) == loss
    assert validation_loss([], settings) is None


@pytest.mark.parametrize(
    ("settings", "seeds"),
    [
        ({}, [0]),
        ({"seed": 5, "seeds": 3}, [5, 6, 7]),
        ({"seed": 2**32 - 1, "seeds": 2}, [2**32 - 1, 0]),
    ],
)
def test_seeds_are_consecutive(settings: dict[str, int], seeds: list[int]) -> None:
    assert seeds_of(TrainSettings(**settings)) == seeds  # type: ignore[arg-type]


def test_a_seed_is_named_with_its_place_if_there_are_several() -> None:
    assert seed_name(7, 1, 3) == "seed 7 (2 of 3)"
    assert seed_name(7, 0, 1) == ""
