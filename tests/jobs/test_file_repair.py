"""Repairs of a school: the files that its ledger has a record of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nightschool.cli.main import cli
from nightschool.config import files
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs.repair.school_repair import repair
from nightschool.ledger.artifacts import artifact_of
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import STAGES, RunState, StageName, Timing
from nightschool.stages.context import StageContext
from nightschool.stages.kept_plan import KeptPlan, read_kept_plan, write_kept_plan
from nightschool.stages.prep import prep
from nightschool.stages.publish import ADAPTER_WEIGHTS, ModelCard
from nightschool.stages.stage_artifacts import artifacts_of
from nightschool.stats.results import Choice
from nightschool.stats.stage_results import (
    BaselineResult,
    CompareResult,
    EvaluateResult,
    PrepResult,
    StageResult,
    TrainResult,
    write_record,
)
from nightschool.stats.terms import ArmName, Decision
from tests.cli.conftest import invoke
from tests.conftest import new_school

REPORT = Path(__file__).parents[1] / "reports" / "report_example.json"


def perform(school: School, run: int, stage: StageName) -> None:
    """What a stage leaves, as far as that needs no model."""
    settings = load(school.settings_file)
    parent = SimpleNamespace(say=lambda kind, message: None)
    context = StageContext(school, run, settings, cast(Any, parent))
    result = _result(context, stage)
    write_record(context.folder / f"{stage}.json", result)
    with Ledger(school.ledger_file) as ledger:
        claim = ledger.claim(run, "worker", stage)
        assert claim
        artifacts = artifacts_of(context, stage)
        ledger.finish(claim, result.model_dump(mode="json"), artifacts=artifacts)


def _result(context: StageContext, stage: StageName) -> StageResult:
    school, folder = context.school, context.folder
    scored = {"accuracy": 0.5, "prompt": "p", "answers": {}}
    match stage:
        case StageName.PREP:
            return prep(context)
        case StageName.BASELINE:
            write_kept_plan(
                folder / "plan.json",
                KeptPlan(device="cpu", chosen=(Choice("run", str(context.run), ""),)),
            )
            chosen = (Choice("device", "cpu", "no GPU"),)
            return BaselineResult.model_validate({**scored, "chosen": chosen})
        case StageName.TRAIN:
            return _train(context)
        case StageName.EVALUATE:
            files.write(folder / "champion.json", f'{{"run": {context.run}}}')
            return EvaluateResult.model_validate(scored)
        case StageName.COMPARE:
            files.write(
                folder / "report" / "report.json", REPORT.read_bytes() + b"\n" * context.run
            )
            files.write(folder / "report" / "report.html", f"page {context.run}")
            _write_card(school, context, 1.25)
            return CompareResult(decision=Decision.INCONCLUSIVE)


def _train(context: StageContext) -> TrainResult:
    for place in (context.folder, context.school.model_folder(context.run)):
        files.write(place / "adapter" / ADAPTER_WEIGHTS, f"weights of run {context.run}")
        files.write(place / "adapter" / "adapter_config.json", '{"peft_type": "LORA"}')
    _write_card(context.school, context, None)
    digests = {
        path.name: files.sha256(path) for path in sorted((context.folder / "adapter").iterdir())
    }
    result = TrainResult(
        steps=1, losses=(), validation=(), adapter_sha256=digests[ADAPTER_WEIGHTS],
        adapter_files=digests,
    )  # fmt: skip
    write_record(context.folder / "trained.json", result)
    write_record(context.folder / "train.json", result)
    return result


def _write_card(school: School, context: StageContext, temperature: float | None) -> None:
    from nightschool.reports.report_file import read

    prepared = context.result(PrepResult)
    settings = context.settings
    more: dict[str, Any] = {}
    if temperature:
        report = read(REPORT)
        calibrated, abstention = report.calibration.get(ArmName.AFTER), report.abstention
        more = {
            "temperature": calibrated.temperature if calibrated else None,
            "threshold": abstention.threshold if abstention else None,
        }
    card = ModelCard(
        run=context.run, base=settings.base, base_fingerprint=prepared.base_fingerprint,
        kinds=context.dataset().kinds, prompt="p", settings=settings.model_dump(), **more,
    )  # fmt: skip
    write_record(school.model_folder(context.run) / "model.json", card)


@pytest.fixture(scope="module")
def whole_school(tmp_path_factory: pytest.TempPathFactory) -> School:
    """Two finished runs, of which the second is in use, and one that has trained; new notes since run 1."""
    school = new_school(tmp_path_factory.mktemp("repair") / "my 学校")
    with Ledger(school.ledger_file) as ledger:
        for _ in range(3):
            ledger.add_run(load(school.settings_file).model_dump(), STAGES[-1], Timing.NOW)
    for stage in STAGES:
        perform(school, 1, stage)
    for number in range(8):
        text = f"Another lesson about {number * 7919}: {'pqr'[number % 3] * 9} {number}"
        (school.root / f"notes/lesson/more-{number}.md").write_text(text, encoding="utf-8")
    for stage in STAGES:
        perform(school, 2, stage)
    for stage in STAGES[:3]:
        perform(school, 3, stage)
    with Ledger(school.ledger_file) as ledger:
        ledger.promote(1)
        ledger.promote(2)
    files.write(school.quantised / "a" / "weights", "w")
    digest = files.sha256(school.quantised / "a" / "weights")
    files.write(
        school.quantised / "a" / "manifest.json", f'{{"sha256": {{"weights": "{digest}"}}}}'
    )
    files.write(school.pace_file, "{}")
    return school


@pytest.fixture
def school(whole_school: School, tmp_path: Path) -> School:
    shutil.copytree(whole_school.root, tmp_path / "copy")
    return School(tmp_path / "copy")


def dataset_of(school: School, run: int) -> str:
    with Ledger(school.ledger_file) as ledger:
        return f"datasets/{(ledger.stage(run, StageName.PREP).result or {})['dataset']}"


def damage(school: School, path: str, how: str = "changed") -> Path:
    file = school.state / path
    content = file.read_bytes()
    file.unlink()
    if how == "changed":
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif how == "folder":
        file.mkdir()
    elif how == "fifo":
        os.mkfifo(file)
    return file


def lines(school: School, *, dry: bool = False) -> list[str]:
    return [finding.line(dry) for finding in repair(school, dry=dry)]


def test_a_whole_school_needs_no_repair(school: School) -> None:
    assert lines(school) == []
    assert not school.set_aside.exists()


HOW = ["changed", "missing", "folder", *(["fifo"] if hasattr(os, "mkfifo") else [])]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("path", "source"),
    [
        *((f"runs/2/{stage}.json", "the ledger") for stage in STAGES),
        (f"models/run-2/adapter/{ADAPTER_WEIGHTS}", f"its copy runs/2/adapter/{ADAPTER_WEIGHTS}"),
        (f"runs/3/adapter/{ADAPTER_WEIGHTS}", f"its copy models/run-3/adapter/{ADAPTER_WEIGHTS}"),
        ("models/run-2/model.json", "the results of its run"),
        ("runs/2/left_out.json", "its copy runs/1/left_out.json"),
    ],
)
def test_what_is_known_elsewhere_is_made_again_bit_for_bit(
    school: School, path: str, source: str, how: str
) -> None:
    before = (school.state / path).read_bytes()
    damage(school, path, how)
    (shown,) = lines(school, dry=True)
    assert not school.set_aside.exists()
    (line,) = lines(school)
    assert shown.replace("can be ", "") == line
    assert line.startswith(f"{path} is ") and line.endswith(f": made again from {source}")
    assert (school.state / path).read_bytes() == before
    assert len(list(school.set_aside.glob("*/*"))) == (how != "missing")
    assert lines(school) == []


@pytest.mark.parametrize("name", ["items.jsonl", "manifest.json"])
def test_a_dataset_is_made_again_while_the_notes_are_the_same(school: School, name: str) -> None:
    path = f"{dataset_of(school, 2)}/{name}"
    before = (school.state / path).read_bytes()
    damage(school, path)
    assert [line.rsplit(": ")[-1] for line in lines(school)] == ["made again from the notes"]
    assert (school.state / path).read_bytes() == before
    assert lines(school) == []


def test_a_manifest_is_made_again_from_the_items(school: School) -> None:
    path = f"{dataset_of(school, 1)}/manifest.json"
    damage(school, path)
    assert lines(school) == [
        f"{path} is damaged (it differs from its record): made again from its items"
    ]
    assert lines(school) == []


def test_a_finished_run_loses_a_dataset_whose_notes_have_changed(school: School) -> None:
    damage(school, f"{dataset_of(school, 1)}/items.jsonl")
    (line,) = lines(school)
    assert "cannot be made again: its model answers no new test notes any more" in line
    assert invoke(school, "promote", "1").exit_code == 0
    assert lines(school) == []


def test_an_unfinished_run_begins_again_where_what_it_needs_is_lost(school: School) -> None:
    damage(school, f"{dataset_of(school, 3)}/items.jsonl")
    (school.root / "notes/lesson/more-1.md").write_text("Quite another text.", encoding="utf-8")
    found = lines(school)
    assert len(found) == 2 and "run 3 performs prep again" in found[0]
    assert "cannot be made again" in found[1]  # run 2 has the same dataset
    with Ledger(school.ledger_file) as ledger:
        assert ledger.due_stage(3) is StageName.PREP
    assert {path.name for path in school.run_folder(3).iterdir()} <= {"run.json", "logs"}
    assert not school.model_folder(3).exists()
    perform(school, 3, StageName.PREP)
    assert lines(school) == []


def test_an_unfinished_run_trains_again_if_both_copies_are_lost(school: School) -> None:
    with Ledger(school.ledger_file) as ledger:
        ledger.cancel(3)
    for place in ("runs/3", "models/run-3"):
        damage(school, f"{place}/adapter/{ADAPTER_WEIGHTS}")
    found = lines(school)
    assert len(found) == 2
    assert all(line.endswith("performs train again after `nightschool retry 3`") for line in found)
    with Ledger(school.ledger_file) as ledger:
        assert ledger.retry(3).state is RunState.QUEUED
        assert ledger.due_stage(3) is StageName.TRAIN
    assert not (school.run_folder(3) / "train.json").exists()
    assert (school.run_folder(3) / "baseline.json").exists()


def test_a_failed_run_is_queued_again_when_it_is_set_back(school: School) -> None:
    with Ledger(school.ledger_file) as ledger:
        claim = ledger.claim(3, "worker")
        assert claim
        ledger.fail(claim, "models/run-3 is damaged")
    for place in ("runs/3", "models/run-3"):
        damage(school, f"{place}/adapter/{ADAPTER_WEIGHTS}", "missing")
    lines(school)
    with Ledger(school.ledger_file) as ledger:
        assert ledger.run(3).state is RunState.QUEUED and ledger.due_stage(3) == "train"


def lose_model(school: School, run: int) -> dict[Path, bytes]:
    weights = [
        damage(school, f"{place}/adapter/{ADAPTER_WEIGHTS}")
        for place in (f"runs/{run}", f"models/run-{run}")
    ]
    return {file: file.read_bytes() for file in weights}


def test_a_model_that_is_lost_is_used_by_nobody_until_it_is_restored(school: School) -> None:
    whole = (school.model_folder(2) / "adapter" / ADAPTER_WEIGHTS).read_bytes()
    lose_model(school, 2)
    copy, model = lines(school)
    assert copy.endswith("dropped: nothing needs it any more")
    assert model.endswith(
        "the model of run 2 is not used until it is restored from a backup; that of run 1 is in use"
    )
    with Ledger(school.ledger_file) as ledger:
        assert ledger.promotions() == [1]
    refused = invoke(school, "promote", "2")
    assert refused.exit_code != 0 and refused.stderr.count("\n") == 1
    assert "run 2: models/run-2/adapter" in invoke(school, "models").output
    assert "no model is in use" in invoke(school, "rollback").output
    assert len(lines(school)) == 1
    (school.model_folder(2) / "adapter" / ADAPTER_WEIGHTS).write_bytes(whole)
    assert lines(school) == []
    assert "the model of run 2 is in use" in invoke(school, "promote", "2").output


def test_the_last_model_may_be_lost(school: School) -> None:
    for run in (1, 2):
        lose_model(school, run)
    assert any(line.endswith("; no model is in use") for line in lines(school))
    assert "no model is in use yet" in invoke(school, "classify", "bread").output


def test_what_nothing_needs_is_dropped(school: School) -> None:
    for path in ("runs/2/plan.json", "runs/2/champion.json", "pace.json", "quantised/a/weights"):
        damage(school, path)
    found = lines(school)
    assert len(found) == 4 and all(": dropped: " in line for line in found)
    assert not (school.quantised / "a").exists() and lines(school) == []


def test_the_plan_of_a_trained_run_is_reduced_to_its_device(school: School) -> None:
    file = damage(school, "runs/3/plan.json")
    (line,) = lines(school)
    assert line.endswith("made again from the device that the baseline recorded")
    assert read_kept_plan(file) == KeptPlan(device="cpu") and lines(school) == []


def test_split_assignments_are_made_again_from_the_datasets(school: School) -> None:
    before = school.split_assignments_file.read_bytes()
    damage(school, "datasets/sides.json")
    (line,) = lines(school)
    assert "made again from 2 of 2 datasets; a note that is in none of them counts as new" in line
    assert school.split_assignments_file.read_bytes() == before


def test_split_assignments_without_a_dataset_are_lost(school: School) -> None:
    damage(school, "datasets/sides.json")
    for manifest in school.datasets.glob("*/manifest.json"):
        manifest.unlink()
        (manifest.parent / "items.jsonl").unlink()
    assert "cannot be made again: no dataset is whole" in lines(school)[0]
    arguments = ["--school", str(school.root), "repair", "--dry-run"]
    assert cli.main(arguments, standalone_mode=False) == 1


def test_a_report_s_page_is_made_again_and_a_report_is_lost(school: School) -> None:
    damage(school, "runs/2/report/report.html")
    (line,) = lines(school)
    assert line.endswith("made again from report.json, with the whole page")
    assert b"<html" in (school.run_folder(2) / "report/report.html").read_bytes()
    assert lines(school) == []
    damage(school, "runs/2/report/report.json")
    assert lines(school)[0].endswith("cannot be made again: the report; the results stay")


def test_a_report_that_is_gone_is_no_run_without_a_report(school: School) -> None:
    damage(school, "runs/2/report/report.json", "missing")
    for arguments in (["report"], ["report", "2"], ["report", "2", "--json"]):
        refused = invoke(school, *arguments)
        assert refused.exit_code == 1 and refused.stderr.count("\n") == 1
        assert "report.json is missing: `nightschool repair`" in refused.stderr
    assert "run 2: " in (shown := invoke(school, "models").output)
    assert "report.json is missing" in shown


def test_a_run_file_is_made_again_from_the_ledger(school: School) -> None:
    before = damage(school, "runs/1/run.json").with_name("run.json")
    assert lines(school)[0].endswith("made again from the ledger")
    assert lines(school) == [] and before.is_file()


def test_a_run_file_that_an_upgrade_has_not_written_yet_is_no_damage(school: School) -> None:
    file = school.run_folder(1) / "run.json"
    with Ledger(school.ledger_file) as ledger:
        ledger._db.execute("INSERT INTO changed_runs VALUES (1)")
        file.unlink()
    assert lines(school, dry=True) == []
    with Ledger(school.ledger_file) as ledger:
        ledger.pause(None)
    assert file.is_file()


def forget_records(school: School) -> None:
    """As in a school of version 0.1.0."""
    with Ledger(school.ledger_file) as ledger:
        ledger.drop_artifacts("runs")
        ledger.drop_artifacts("models")
        ledger.drop_artifacts("datasets")


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda school: damage(school, "runs/2/evaluate.json"), "made again from the ledger"),
        (lambda school: lose_model(school, 2), "that of run 1 is in use"),
    ],
)
def test_a_run_without_records_is_compared_with_what_its_files_say(
    school: School, act: Callable[[School], object], text: str
) -> None:
    forget_records(school)
    assert lines(school) == []
    act(school)
    (line,) = lines(school)
    assert line.endswith(text)


def test_a_rebuilt_ledger_and_damaged_files_are_repaired_together(school: School) -> None:
    for file in school.state.glob("ledger.db*"):
        file.unlink()
    damage(school, f"models/run-2/adapter/{ADAPTER_WEIGHTS}")
    found = lines(school)
    assert found[0].startswith("ledger.db is gone: made again") and len(found) == 2
    assert lines(school) == []
    with Ledger(school.ledger_file) as ledger:
        assert ledger.promotions() == [1, 2]
        assert artifact_of(school, school.model_folder(2) / "model.json") in [
            *ledger.artifacts(2).values()
        ]
