"""Forgetting a note that real runs have trained on, tested, sent to a server and reported."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs.forgetting.performing import forget
from nightschool.jobs.forgetting.selection import select_gone
from nightschool.jobs.pruning import prune_as_set
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import StageName, Timing
from nightschool.notes.dataset import load as load_dataset
from nightschool.notes.identity import content_id
from nightschool.notes.splits import Split
from nightschool.reports.report_file import read
from nightschool.stages.run_stage import run_stage
from nightschool.stats.stage_results import EvaluateResult, PrepResult, TrainResult, read_record
from tests.chat_server import chat_server, says
from tests.conftest import new_school

FAST = {"epochs": 1.0, "lora_r": 4, "max_tokens": 64, "checkpoint_minutes": 0.0, "seeds": 2}


def perform(school: School, run: int | None = None) -> int:
    """Perform all stages of a run, by default of a new one, in this process."""
    with Ledger(school.ledger_file, durable=False) as ledger:
        settings = load(school.settings_file)
        if run is None:
            run = ledger.add_run(settings.model_dump(), StageName.COMPARE, Timing.NOW).id
        parent = SimpleNamespace(
            born=time.monotonic(),
            say=lambda kind, text: ledger.event(run, None, kind, text),
            progress=lambda *_: None,
            should_stop=lambda: False,
        )
        while claim := ledger.claim(run, "worker"):
            ending = run_stage(school, run, claim.stage, cast(Any, parent))
            if ending.outcome is Outcome.FINISHED and ending.result:
                result = ending.result.model_dump(mode="json")
                ledger.finish(claim, result, artifacts=ending.artifacts)
            else:
                ledger.interrupt(claim, ending.outcome, ending.reason)
            prune_as_set(school)
    return run


def traces(school: School, needles: list[str]) -> dict[str, list[str]]:
    return {
        file.relative_to(school.root).as_posix(): held
        for file in school.root.rglob("*")
        if file.is_file() and (held := [n for n in needles if n.encode() in file.read_bytes()])
    }


@pytest.mark.slow
def test_no_trace_is_left_of_a_note_that_real_runs_learned_from(
    tmp_path: Path, tiny_base: Path
) -> None:
    with chat_server(says("Lesson")) as chat:
        school = new_school(
            tmp_path / "my 学校",
            base=tiny_base.as_posix(),
            train=FAST,
            server={"url": chat.url, "model": "tiny:1b"},
            ladder={"arms": ["majority", "tfidf-lr", "server"]},
        )
        planted = {
            f"lesson/geheim-{n}.md": f"The vault {n} opens with hunter-27{n}." for n in range(9)
        }
        for name, text in planted.items():
            (school.root / "notes" / name).write_text(text, encoding="utf-8")
        first = perform(school)
        (school.root / "notes/none/later.md").write_text("Buy salt and 塩 too.", encoding="utf-8")
        second = perform(school)
        with Ledger(school.ledger_file) as ledger:
            ledger.promote(first)
            ledger.promote(second)
        needles = ["geheim-", "hunter-27", *map(content_id, planted.values())]
        before = read(school.run_folder(first) / "report/report.json")
        assert len(traces(school, needles)) > 10 + len(planted)
        prepared = read_record(school.run_folder(first) / "prep.json", PrepResult)
        dataset = load_dataset(school.datasets / prepared.dataset)
        splits = {item.split for item in dataset.items if item.id in needles}
        assert splits >= {Split.TRAIN, Split.TEST}
        for name in planted:
            (school.root / "notes" / name).unlink()
        with Ledger(school.ledger_file) as ledger:
            settings = load(school.settings_file)
            selection = select_gone(school, settings, ledger)
            done = forget(school, settings, ledger, selection, retrain=True)
        assert traces(school, needles) == {} and done.left == () and done.retraining == 3
        after = read(school.run_folder(first) / "report/report.json")
        assert (after.arms, after.paired, after.items) == (before.arms, before.paired, before.items)
        third = perform(school, done.retraining)
        with Ledger(school.ledger_file) as ledger:
            assert ledger.run(third).state == "done", ledger.run(third).reason
            (record,) = ledger.forgettings()
        fourth = perform(school)
    trained = [
        read_record(school.run_folder(run) / "train.json", TrainResult) for run in (third, fourth)
    ]
    assert trained[0].adapter_sha256 == trained[1].adapter_sha256, "it can be computed again"
    prepared = read_record(school.run_folder(third) / "prep.json", PrepResult)
    assert prepared.fingerprint not in {run.dataset_before for run in record.runs}
    assert prepared.fingerprint in {run.dataset_after for run in record.runs}, (
        "the same notes as run 2's"
    )
    report = json.loads((school.run_folder(third) / "report/report.json").read_text("utf-8"))
    assert report["champion"]["run"] == second and report["champion"]["accuracy"] is not None
    answers = read_record(school.run_folder(second) / "evaluate.json", EvaluateResult).answers
    assert not set(answers) & set(needles)
    assert traces(school, needles) == {}
