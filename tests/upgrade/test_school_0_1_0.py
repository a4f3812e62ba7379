"""A school that version 0.1.0 made works with this version.

`school-0.1.0.zip` holds two whole runs (the first was paused, its worker was killed, and its model was
promoted), a third that was stopped in the middle of training, and a label. Checkpoints of the whole runs,
logs and caches are left out.
"""

from __future__ import annotations

import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from nightschool.cli.main import cli
from nightschool.config.paths import DEMO_BASE, School
from nightschool.config.settings import recorded
from nightschool.config.trusted_schools import is_trusted, trust
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import Answerer, RunState
from nightschool.ledger.schema import MIGRATIONS
from nightschool.stages.context import StageContext

ARCHIVE = Path(__file__).with_name("school-0.1.0.zip")
UNFINISHED = 3


@pytest.fixture
def school(tmp_path: Path) -> School:
    root = tmp_path / "old 学校"
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(root)
    school = School(root)
    assert not is_trusted(school)  # asked about once
    trust(school)
    return school


def invoke(school: School, *arguments: str) -> str:
    done = CliRunner().invoke(cli, ["--school", str(school.root), *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_its_ledger_migrates_and_keeps_its_history(school: School) -> None:
    with sqlite3.connect(school.ledger_file) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
    with Ledger(school.ledger_file) as ledger:
        states = [run.state for run in ledger.runs()]
        attempts = [a for a in ledger.attempts_of(1) if a.stage == "train"]
        assert ledger.promotions() == [1]
        exposures = [(e.run, e.answerer, e.model_run) for e in ledger.exposures()]
    assert states == [RunState.DONE, RunState.DONE, RunState.QUEUED]
    assert [a.outcome for a in attempts] == [Reason.PAUSED, Outcome.LOST, Outcome.FINISHED]
    assert attempts[1].ended and attempts[1].ended < attempts[2].started - 3, "when it last wrote"
    assert exposures[4:6] == [(2, Answerer.CHAMPION, 1), (2, Answerer.ADAPTER, None)]
    with sqlite3.connect(school.ledger_file) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        died = db.execute("SELECT id FROM attempts WHERE worker_died").fetchall()
    assert died == [(4,)]


def test_the_listings_read_it(school: School) -> None:
    status = json.loads(invoke(school, "status", "--json"))
    assert [run["id"] for run in status["runs"]] == [1, 2, 3]
    assert status["runs"][2]["step"] == 9
    assert json.loads(invoke(school, "why", "--json"))["reason"] == "no_worker"
    assert "run 1 promoted by owner" in invoke(school, "log", "1")
    assert "lost (the worker ended without a word)" in invoke(school, "log", "1")
    models = json.loads(invoke(school, "models", "--json"))
    assert [(m["run"], m["accuracy"], m["in_use"]) for m in models] == [
        (1, 0.3, True), (2, 0.3, False),
    ]  # fmt: skip
    assert "70 notes" in invoke(school, "notes")


@pytest.mark.parametrize("run", ["1", "2"])
def test_its_reports_open(school: School, run: str) -> None:
    assert "inconclusive" in invoke(school, "report", run).lower()
    report = json.loads(invoke(school, "report", run, "--json"))
    assert report["decision"] == "inconclusive"


def test_it_queues_a_new_run(school: School) -> None:
    invoke(school, "run", "--new")
    with Ledger(school.ledger_file) as ledger:
        newest = ledger.newest_run()
    assert newest and (newest.id, newest.state) == (4, RunState.QUEUED)


def test_its_champion_classifies(school: School) -> None:
    answer = json.loads(
        invoke(school, "classify", "We chose restic because it is cheaper.", "--json")
    )
    assert answer["kind"] in {"decision", "knowledge", "lesson", "none", "value"}


def test_the_demo_base_is_found_where_this_version_is_installed(school: School) -> None:
    prepared = json.loads((school.run_folder(UNFINISHED) / "prep.json").read_text("utf-8"))
    assert not Path(prepared["base_folder"]).exists()
    with Ledger(school.ledger_file) as ledger:
        settings = recorded(ledger.run(UNFINISHED).settings)
    context = StageContext(school, UNFINISHED, settings, cast(Any, None))
    assert context.base_folder() == DEMO_BASE


@pytest.mark.slow
def test_its_unfinished_run_resumes_from_its_checkpoint(school: School) -> None:
    invoke(school, "run", "--now")
    with Ledger(school.ledger_file) as ledger:
        assert ledger.run(UNFINISHED).state is RunState.DONE
        messages = [event.message for event in ledger.events(UNFINISHED)]
        last = [a for a in ledger.attempts_of(UNFINISHED) if a.stage == "train"][-1]
    assert (last.first_step, last.outcome) == (9, Outcome.FINISHED)
    assert any("step 9 of 18" in message for message in messages)
