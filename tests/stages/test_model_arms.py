"""The arms that need the base model, measured in this process with the tiny base."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from nightschool.config.errors import Stopped
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs.requests import request_run
from nightschool.learning.few_shot import with_examples
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from nightschool.notes.splits import Split
from nightschool.scoring import scorer
from nightschool.stages import model_arms
from nightschool.stages.context import StageContext
from nightschool.stages.run_stage import run_stage
from nightschool.stats.stage_results import BaselineResult
from tests.conftest import MakeSchool
from tests.listener import Listener

TRAIN = {"max_tokens": 64, "threads": 1}


def baseline(
    school: School, listener: Listener | None = None
) -> tuple[BaselineResult, list[tuple[str, str]]]:
    """The stage's result, and the messages."""
    listener = listener or Listener()
    with Ledger(school.ledger_file) as ledger:
        run = request_run(ledger, school, load(school.settings_file), Timing.NOW, new=True)[0].id
    run_stage(school, run, StageName.PREP, Listener())  # type: ignore[arg-type]
    ending = run_stage(school, run, StageName.BASELINE, listener)  # type: ignore[arg-type]
    assert isinstance(ending.result, BaselineResult)
    return ending.result, listener.said


def test_only_the_requested_arms_are_measured(make_school: MakeSchool, tiny_base: Path) -> None:
    ladder = {"arms": ["few-shot", "majority"]}
    school = make_school(base=tiny_base.as_posix(), train=TRAIN, ladder=ladder)
    listener = Listener()
    found, _ = baseline(school, listener)
    assert (list(found.arms), found.absent) == (["few-shot"], {})
    # Test and validation notes, then the test notes again with the examples before them.
    assert listener.done[-1] == (15, 15)


def test_an_arm_that_fails_is_absent_and_the_others_are_measured(
    make_school: MakeSchool, tiny_base: Path
) -> None:
    wide = {**TRAIN, "max_tokens": 450}  # of 512 that the base has
    ladder = {"embeddings": "no such モデル"}
    school = make_school(base=tiny_base.as_posix(), train=wide, ladder=ladder)
    found, said = baseline(school)
    assert list(found.arms) == ["features-lr", "zero-shot"]
    assert "no such モデル: set ladder.embeddings" in found.absent["embeddings-lr"]
    assert "does not fit into the" in found.absent["few-shot"]
    assert {m.split(" is left out")[0] for kind, m in said if kind == "warning"} == {
        "embeddings-lr", "few-shot",
    }  # fmt: skip
    assert all("\n" not in message for _, message in said)


def test_few_shot_examples_are_no_roughened_copies(
    make_school: MakeSchool, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def seen(encoder: Any, notes: Any, context: Any) -> Any:
        shown.extend(id_ for id_, _, _ in notes)
        return with_examples(encoder, notes, context)

    monkeypatch.setattr(model_arms, "with_examples", seen)
    ladder = {"arms": ["few-shot"]}
    school = make_school(base=tiny_base.as_posix(), train={**TRAIN, "roughen": 1.0}, ladder=ladder)
    baseline(school)
    context = StageContext(school, 1, load(school.settings_file), cast(Any, Listener()))
    training = context.dataset().of(Split.TRAIN)
    assert any(item.origin for item in training)
    assert shown == [item.id for item in training if not item.origin]


def test_an_arm_that_runs_out_of_memory_does_not_end_the_stage(
    make_school: MakeSchool, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(model_arms, "with_examples", full)
    found, _ = baseline(make_school(base=tiny_base.as_posix(), train=TRAIN))
    assert found.absent["few-shot"] == "out of memory"
    assert "zero-shot" in found.arms


def test_answers_and_features_share_one_pass_over_the_test_notes(
    make_school: MakeSchool, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    read = scorer.read

    def counted(model: Any, encoder: Any, notes: Any, *others: Any, **named: Any) -> Any:
        passes.append(len(notes))
        return read(model, encoder, notes, *others, **named)

    monkeypatch.setattr(model_arms, "read", counted)
    ladder = {"arms": ["features-lr", "zero-shot"]}
    baseline(make_school(base=tiny_base.as_posix(), train=TRAIN, ladder=ladder))
    assert passes == [6 + 3, 27, 3]  # test and validation, training, the notes without content


def test_the_stage_stops_between_two_passes(make_school: MakeSchool, tiny_base: Path) -> None:
    school = make_school(base=tiny_base.as_posix(), train=TRAIN)
    with pytest.raises(Stopped):
        baseline(school, Listener(stop_after=9))
    assert not (school.run_folder(1) / "baseline.json").exists()
