"""Repairs of a school: its ledger."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from pathlib import Path

import filelock
import pytest

from nightschool.cli.main import VERBS
from nightschool.config import files
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs.repair.school_repair import repair
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Answerer, Run, RunState
from nightschool.ledger.records import TestExposure as Exposure
from nightschool.stages.publish import ADAPTER_WEIGHTS, ModelCard
from nightschool.stats.stage_results import (
    BaselineResult,
    CompareResult,
    EvaluateResult,
    SeedAnswers,
    TrainResult,
    write_record,
)
from nightschool.stats.terms import Decision
from nightschool.tasks.health_checks import examine
from tests.cli.conftest import invoke
from tests.conftest import MakeSchool
from tests.prepared import prepare


@pytest.fixture(scope="module")
def prepared_school(tmp_path_factory: pytest.TempPathFactory) -> School:
    """Two runs with their results, but without weights, of which the second is in use."""
    from tests.conftest import new_school

    school = new_school(tmp_path_factory.mktemp("repair") / "my 学校")
    for run in (prepare(school), prepare(school)):
        _write_results(school, run)
    with Ledger(school.ledger_file) as ledger:
        for run in (1, 2):
            ledger.promote(run)
            dataset = json.loads((school.run_folder(run) / "prep.json").read_text())["dataset"]
            ledger.record_exposure(run, Answerer.BASE, dataset, "t")
    return school


def _write_results(school: School, run: int) -> None:
    folder = school.run_folder(run)
    scored = {"accuracy": 0.5, "prompt": "p", "answers": {"a": "none"}}
    write_record(folder / "baseline.json", BaselineResult.model_validate(scored))
    weights = school.model_folder(run) / "adapter" / ADAPTER_WEIGHTS
    files.write(weights, f"weights of run {run}")
    digest = files.sha256(weights)
    trained = TrainResult(steps=1, losses=(), validation=(), adapter_sha256=digest)
    write_record(folder / "train.json", trained)
    seeds = (SeedAnswers(seed=4, answers={}), SeedAnswers(seed=5, answers={}))
    write_record(
        folder / "evaluate.json", EvaluateResult.model_validate({**scored, "seeds": seeds})
    )
    decision = Decision.PROMOTE if run == 1 else Decision.INCONCLUSIVE
    write_record(folder / "compare.json", CompareResult(decision=decision, reason="so"))
    card = ModelCard(
        run=run, base="demo", base_fingerprint="f", kinds=("none",), prompt="p",
        settings=load(school.settings_file).model_dump() | {"base": f"base of run {run}"},
    )  # fmt: skip
    write_record(school.model_folder(run) / "model.json", card)


@pytest.fixture
def school(prepared_school: School, tmp_path: Path) -> School:
    """A copy of it, which is trusted as well: it has the same id."""
    shutil.copytree(prepared_school.root, tmp_path / "copy")
    return School(tmp_path / "copy")


def lose_ledger(school: School) -> None:
    for file in school.state.glob("ledger.db*"):
        file.unlink()


def known(school: School) -> tuple[list[Run], list[int], list[Exposure]]:
    with Ledger(school.ledger_file) as ledger:
        return ledger.runs(), ledger.promotions(), ledger.exposures()


def lines(school: School, *, dry: bool = False) -> list[str]:
    return [finding.line(dry) for finding in repair(school, dry=dry)]


def test_a_whole_school_is_left_alone(school: School) -> None:
    before = {file: file.stat().st_mtime_ns for file in school.state.rglob("*.json")}
    assert lines(school) == [] and not school.set_aside.exists()
    assert before == {file: file.stat().st_mtime_ns for file in school.state.rglob("*.json")}


@pytest.mark.parametrize("loss", ["gone", "empty", "damaged", "folder", "another"])
def test_a_lost_ledger_is_made_again(school: School, loss: str) -> None:
    before = known(school)
    lose_ledger(school)
    if loss == "folder":
        school.ledger_file.mkdir()
    elif loss != "gone":
        content = {"empty": b"", "damaged": b"no database" * 999, "another": b""}[loss]
        school.ledger_file.write_bytes(content)
    if loss == "another":
        import sqlite3

        with sqlite3.connect(school.ledger_file) as db:
            db.execute("CREATE TABLE runs (name TEXT)")
            db.execute("INSERT INTO runs VALUES ('x')")
    shown = lines(school, dry=True)
    assert len(shown) == 1 and "can be made again from the files of runs 1 and 2" in shown[0]
    assert not school.set_aside.exists()
    assert [line.replace("can be ", "") for line in shown] == lines(school)
    assert known(school) == before
    assert lines(school) == []
    aside = [path.name for path in school.set_aside.rglob("ledger.db")]
    assert aside == ["ledger.db"] * (loss != "gone")
    with Ledger(school.ledger_file) as ledger:
        assert ledger.rollback() == 1
        assert ledger.add_run({}, before[0][0].goal, before[0][0].timing).id == 3


def test_runs_without_a_file_of_their_own_are_made_again_from_results(school: School) -> None:
    """Such as those of an earlier version."""
    runs, _, _ = known(school)
    lose_ledger(school)
    for file in school.state.glob("runs/*/run.json"):
        file.unlink()
    for name in ("compare.json", "evaluate.json"):
        (school.run_folder(2) / name).unlink()
    found = lines(school)
    assert len(found) == 3 and "promotions by you" in found[1]
    after, promotions, exposures = known(school)
    assert [run.state for run in after] == [RunState.DONE, RunState.CANCELLED]
    assert [run.settings["base"] for run in after] == ["base of run 1", "base of run 2"]
    assert after[0].reason == "so" and "`nightschool retry 2`" in after[1].reason
    assert promotions == [1]
    answered = [(one.run, one.answerer, one.seed) for one in exposures]
    assert sorted(answered, key=str) == sorted(
        [(1, "base", None), (1, "adapter", 4), (1, "adapter", 5), (1, "arms", None), (2, "base", None)],
        key=str,
    )  # fmt: skip
    assert {(one.run, one.dataset) for one in exposures} == {
        (run.id, json.loads((school.run_folder(run.id) / "prep.json").read_text())["dataset"])
        for run in runs
    }
    with Ledger(school.ledger_file) as ledger:
        retried = ledger.retry(2)
        assert retried.state is RunState.QUEUED and ledger.due_stage(2) == "evaluate"


def test_a_folder_without_results_is_a_cancelled_run_so_that_the_ledger_is_not_empty(
    make_school: MakeSchool,
) -> None:
    school = make_school(each=0)
    school.run_folder(9).mkdir(parents=True)
    assert invoke(school, "status").exit_code == 1
    assert "from the files of run 9" in lines(school)[0]
    assert invoke(school, "status").exit_code == 0
    assert [run.state for run in known(school)[0]] == [RunState.CANCELLED]
    assert lines(school) == []


def test_a_school_that_is_new_has_nothing_to_repair(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    assert lines(school) == [] and not school.ledger_file.exists()
    assert invoke(school, "repair").output == "nothing is damaged\n"


def test_no_repair_beside_a_worker(school: School) -> None:
    with filelock.FileLock(school.work_lock):
        refused = invoke(school, "repair")
        assert refused.exit_code == 1 and "end it first" in refused.stderr
        assert invoke(school, "repair", "--dry-run").output == "nothing is damaged\n"


_ARGUMENTS = {
    "promote": ["2"], "classify": ["bread"], "retry": ["1"], "cancel": ["1"], "log": ["1"],
    "report": ["2"], "forget": ["--gone"], "service": ["install"],
}  # fmt: skip
_WITHOUT_LEDGER = ("init", "trust", "demo", "doctor", "repair")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in _WITHOUT_LEDGER])
def test_no_verb_begins_a_new_ledger_beside_runs(school: School, verb: str) -> None:
    lose_ledger(school)
    refused = invoke(school, verb, *_ARGUMENTS.get(verb, []))
    assert refused.exit_code == 1, refused.output
    assert refused.stderr.count("\n") == 1
    assert "is gone, but runs 1 and 2 are there: `nightschool repair`" in refused.stderr
    assert not os.path.lexists(school.ledger_file)


def test_doctor_names_a_lost_ledger_among_its_checks(school: School) -> None:
    lose_ledger(school)
    (check,) = [
        each
        for each in itertools.islice(examine(school, load(school.settings_file)), 20)
        if each.check == "ledger"
    ]
    assert check.verdict == "problem" and check.finding.endswith("but runs 1 and 2 are there")
    assert "`nightschool repair`" in check.remedy


def test_repair_prints_json_and_the_ledger_then_serves(school: School) -> None:
    lose_ledger(school)
    done = invoke(school, "repair", "--json")
    (finding,) = json.loads(done.output)
    assert done.exit_code == 0
    assert (finding["path"], finding["remedy"]) == ("ledger.db", "made again")
    models = json.loads(invoke(school, "models", "--json").output)
    assert [(model["run"], model["in_use"]) for model in models] == [(1, False), (2, True)]
    assert "run 1 is in use" in invoke(school, "rollback").output
