"""`forget`, and what `models`, `promote` and `rollback` say afterwards."""

from __future__ import annotations

import json

import pytest

from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.ledger.forgettings import AffectedRun
from nightschool.ledger.ledger import Ledger
from nightschool.notes.dataset import load as load_dataset
from nightschool.notes.splits import Split
from tests.cli.conftest import invoke
from tests.cli.test_models import add_model
from tests.conftest import MakeSchool
from tests.prepared import prepare


@pytest.fixture
def school(make_school: MakeSchool) -> School:
    """A school whose run has read a training note that its owner has deleted since."""
    school = make_school()
    assert load(school.settings_file)
    prepare(school)
    dataset = load_dataset(next(school.datasets.glob("*/")))
    (school.root / "notes" / dataset.of(Split.TRAIN)[0].source).unlink()
    return school


def test_forget_asks_then_erases_and_shows_the_proof(school: School) -> None:
    (before,) = [path.name for path in school.datasets.glob("*/")]
    dry = invoke(school, "forget", "--gone", "--dry-run").output
    assert "1 note to forget, in the datasets of 1 run:" in dry
    assert "the model of run 1 learned from 1 of them" in dry
    refused = invoke(school, "forget", "--gone")
    assert refused.exit_code == 2 and "confirm with --yes" in refused.stderr
    assert [path.name for path in school.datasets.glob("*/")] == [before]
    done = invoke(school, "forget", "--gone", "--yes")
    assert "forgotten: 1 note\nrun 2 is queued: it trains without them" in done.output
    (after,) = [path.name for path in school.datasets.glob("*/")]
    proof = invoke(school, "forget").output
    assert f"run 1: dataset {before} with them, {after} without; its model learned from 1" in proof
    assert "run 2: dataset not read yet, adapter not trained yet" in proof
    assert (
        "no note of a dataset, report or label is gone" in invoke(school, "forget", "--gone").output
    )


def test_forget_prints_json(school: School) -> None:
    done = json.loads(invoke(school, "forget", "--gone", "--yes", "--no-retrain", "--json").output)
    assert done["forgotten"] and done["notes"] == 1 and done["retraining"] is None
    assert done["left"] == []
    (record,) = json.loads(invoke(school, "forget", "--json").output)
    assert record["runs"][0]["dataset_after"] and record["retraining"] is None


def test_a_marked_model_is_used_only_if_the_owner_agrees(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    for _ in range(2):
        add_model(school)
    with Ledger(school.ledger_file) as ledger:
        number = ledger.begin_forgetting(["i"], 1, [AffectedRun(1, 2, "d")], retrain=False)
        ledger.finish_forgetting(number, None)
    assert (
        "run 1: demo, not evaluated, learned from 2 forgotten notes"
        in invoke(school, "models").output
    )
    refused = invoke(school, "promote", "1")
    assert (
        refused.exit_code == 2 and "learned from 2 notes that you had forgotten" in refused.stderr
    )
    assert invoke(school, "promote", "1", "--yes").output == "the model of run 1 is in use\n"
    assert invoke(school, "promote", "2").exit_code == 0
    assert invoke(school, "rollback").exit_code == 2
    assert invoke(school, "rollback", "--yes").exit_code == 0
