"""A whole run on the tiny base model, with real child processes: its results, and what it survives."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from nightschool.config.errors import ChildError
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs.requests import quick_settings, request_run
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import STAGES, StageName, Timing
from nightschool.stats.results import Paired, Report
from nightschool.tasks.app import enqueue_due, open_queue
from nightschool.tasks.child_queries import ask_to_classify, ask_to_plan
from nightschool.tasks.runner import Runner
from tests.chat_server import chat_server, says
from tests.conftest import KINDS, MakeSchool, new_school

FAST = {"epochs": 1.0, "lora_r": 4, "max_tokens": 64, "checkpoint_minutes": 0.0}


def queue(school: School, quick_minutes: float = 0.0) -> int:
    """Queue a run and allow it, as the scheduler would."""
    with Ledger(school.ledger_file) as ledger:
        settings = quick_settings(load(school.settings_file), quick_minutes)
        run = request_run(ledger, school, settings, Timing.NOW, new=True)[0].id
        ledger.decide(run, True, Reason.RUN_NOW)
    return run


def perform_all(school: School, run: int, stages: int | None = None) -> None:
    """Perform messages until there are none, or for so many stages or chunks."""
    with closing(open_queue(school, "sqlite", Runner(school, "test").perform)) as queue:
        with Ledger(school.ledger_file) as ledger:
            enqueue_due(queue, ledger, run)
        while (task := queue.huey.dequeue()) and stages != 0:
            queue.huey.execute(task)
            stages = None if stages is None else stages - 1


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Iterator[School]:
    root = tmp_path_factory.mktemp("done") / "my 学校"
    with chat_server(says("Lesson")) as chat:
        server = {"url": chat.url, "model": "tiny:1b"}
        school = new_school(root, base=tiny_base.as_posix(), train=FAST, server=server)
        perform_all(school, queue(school))
    yield school


def test_run_completes_all_stages(done: School) -> None:
    with Ledger(done.ledger_file) as ledger:
        run = ledger.run(1)
        assert run.state == "done", [event.message for event in ledger.events(1)]
        assert [stage.state for stage in ledger.stages(1)] == ["done"] * len(STAGES)


def test_report_keeps_its_contract(done: School) -> None:
    report = json.loads((done.run_folder(1) / "report/report.json").read_text("utf-8"))
    assert [arm["name"] for arm in report["arms"]] == [
        "majority", "tfidf-lr", "features-lr", "zero-shot", "few-shot", "server", "before", "after",
    ]  # fmt: skip
    assert report["run"] == 1
    assert report["items"] == 6  # a fifth of 12 notes of each of 3 kinds
    for arm in report["arms"]:
        low, high = arm["accuracy_ci"]
        assert 0 <= low <= arm["accuracy"] <= high <= 1
        assert set(arm["per_kind"]) == set(KINDS)
        assert sum(scores["n"] for scores in arm["per_kind"].values()) == 6
    assert set(report) == {field.name for field in fields(Report)}
    assert set(report["paired"]) == {field.name for field in fields(Paired)}
    assert (report["looks"]["looks"], report["looks"]["models"]) == (3, 1)
    assert [seed["used"] for seed in report["seeds"]] == [True]
    assert report["decision"] in ("promote", "keep", "inconclusive")
    assert {"device", "precision", "answers"} <= {choice["name"] for choice in report["chosen"]}
    page = (done.run_folder(1) / "report/report.html").read_text("utf-8")
    assert "<html" in page and not re.search(r"(src|href|url\()\W*https?:", page)


def test_base_is_quantised_once(done: School) -> None:
    with Ledger(done.ledger_file) as ledger:
        messages = [event.message for event in ledger.events(1)]
    assert sum("quantised base is cached" in message for message in messages) == 1
    assert sum(path.is_dir() for path in done.quantised.iterdir()) == 1


def test_every_choice_is_logged_once_with_its_reason(done: School) -> None:
    with Ledger(done.ledger_file) as ledger:
        choices = [e.message for e in ledger.events(1) if e.kind == "choice"]
    assert len(choices) == len(set(choices))
    assert any(choice.startswith("precision = fp32 (") for choice in choices)


def test_before_and_after_use_the_same_prompt_and_notes(done: School) -> None:
    before, after = (
        json.loads((done.run_folder(1) / f"{stage}.json").read_text("utf-8"))
        for stage in ("baseline", "evaluate")
    )
    assert before["prompt"] == after["prompt"]
    assert before["answers"].keys() == after["answers"].keys()


# The comparison arms


def stage_result(school: School, stage: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((school.run_folder(1) / f"{stage}.json").read_text("utf-8"))
    return found


def test_every_arm_answers_the_same_test_notes(done: School) -> None:
    before = stage_result(done, "baseline")
    assert list(before["arms"]) == ["features-lr", "zero-shot", "few-shot"]
    for arm in before["arms"].values():
        assert arm["answers"].keys() == before["answers"].keys()
        for id_, row in arm["probabilities"].items():
            assert sum(row) == pytest.approx(1, abs=1e-4)
            assert arm["answers"][id_] == KINDS[row.index(max(row))]
        assert arm["seconds"] > 0
    assert "arms" not in stage_result(done, "evaluate")


def test_server_arm_reports_how_the_server_answered(done: School) -> None:
    report = json.loads((done.run_folder(1) / "report/report.json").read_text("utf-8"))
    assert report["arm_notes"]["server"].endswith("a kind for 6 of 6 test notes")
    (server,) = (arm for arm in report["arms"] if arm["name"] == "server")
    assert all(row["lesson"] == sum(row.values()) for row in server["confusion"].values())
    assert report["arm_notes"]["embeddings-lr"] == "absent: ladder.embeddings names no model"
    assert "cross-validation" in report["arm_notes"]["features-lr"]
    page = (done.run_folder(1) / "report/report.html").read_text("utf-8")
    assert "a kind for 6 of 6 test notes" in page


def test_validation_notes_are_scored_before_and_after(done: School) -> None:
    for stage in ("baseline", "evaluate"):
        found = stage_result(done, stage)
        assert len(found["validation"]) == 3
        assert not found["validation"].keys() & found["answers"].keys()
        for row in found["validation"].values():
            assert sum(row) == pytest.approx(1, abs=1e-4)


def test_model_classifies_notes(done: School) -> None:
    texts = [("-", "Buy bread and milk."), ("a.md", "次からは先に試す。")]
    answers = ask_to_classify(done, 1, texts)
    assert [answer.source for answer in answers] == ["-", "a.md"]
    for answer in answers:
        assert set(answer.probabilities) == set(KINDS)
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert answer.probability == answer.probabilities[answer.kind]
        assert answer.unseen == 0


def test_copied_school_is_complete(done: School, tmp_path: Path) -> None:
    copy = School(tmp_path / "copy")
    shutil.copytree(done.root, copy.root)
    original, copied = (
        ask_to_classify(school, 1, [("-", "Buy bread.")]) for school in (done, copy)
    )
    assert original == copied


def test_finished_stage_is_not_repeated(done: School, tmp_path: Path) -> None:
    """The worker died between the result file and the ledger: the file counts."""
    copy = School(tmp_path / "copy")
    shutil.copytree(done.root, copy.root)
    with Ledger(copy.ledger_file) as ledger:
        ledger._db.execute(
            "UPDATE stages SET state = 'waiting', result = NULL WHERE name = 'train'"
        )
        ledger._db.execute("UPDATE runs SET state = 'queued'")
        ledger.decide(1, True, Reason.RUN_NOW)
    shutil.rmtree(copy.run_folder(1) / "checkpoints")
    model = (copy.model_folder(1) / "model.json").stat().st_mtime_ns
    perform_all(copy, 1)
    with Ledger(copy.ledger_file) as ledger:
        assert ledger.stage(1, StageName.TRAIN).state == "done"
        assert [e.message for e in ledger.events(1)].count("train done") == 2
    assert (copy.model_folder(1) / "model.json").stat().st_mtime_ns == model
    assert not (copy.run_folder(1) / "checkpoints").exists()


def test_changed_base_is_refused_when_classifying(done: School, tmp_path: Path) -> None:
    copy = School(tmp_path / "copy")
    shutil.copytree(done.root, copy.root)
    card = copy.model_folder(1) / "model.json"
    changed = json.loads(card.read_text("utf-8")) | {"base_fingerprint": "other"}
    del changed["sha256"]
    card.write_text(json.dumps(changed), encoding="utf-8")
    with closing(sqlite3.connect(copy.ledger_file)) as ledger, ledger:
        ledger.execute("DELETE FROM artifacts WHERE path LIKE '%/model.json'")
    with pytest.raises(ChildError, match="not the base that run 1 was trained on"):
        ask_to_classify(copy, 1, [("-", "Buy bread.")])


# The time plan


def log_lines(school: School, run: int, kind: str) -> list[str]:
    with Ledger(school.ledger_file) as ledger:
        return [event.message for event in ledger.events(run) if event.kind == kind]


def test_run_estimates_its_time_and_keeps_what_it_measured(done: School) -> None:
    (estimate,) = (line for line in log_lines(done, 1, "state") if "s per step" in line)
    assert re.fullmatch(
        r"\S+ s per step \(\S+ to \S+\); \d+ steps: about .* \(.* to .*\)", estimate
    )
    _, (name, measured) = json.loads(done.pace_file.read_text("utf-8")).items()
    assert ", fp32, " in name and len(measured["timed"]) >= 3


@pytest.mark.slow
def test_quick_run_with_enough_time_has_the_bits_of_a_plain_run(
    done: School, tmp_path: Path, tiny_base: Path
) -> None:
    """In chunks of one step: the plan made before the first one is kept, and steps are timed once."""
    chunks = {**FAST, "chunk_minutes": 0.0}
    school = new_school(tmp_path / "quick", base=tiny_base.as_posix(), train=chunks)
    run = queue(school, quick_minutes=30)
    perform_all(school, run)
    results = [
        json.loads((s.run_folder(1) / "train.json").read_text("utf-8")) for s in (done, school)
    ]
    assert results[0]["adapter_sha256"] == results[1]["adapter_sha256"]
    (epochs,) = (line for line in log_lines(school, run, "choice") if line.startswith("epochs"))
    assert re.match(r"epochs = 1 of 1 \(--quick: (29|30) min of 30 min remain for training", epochs)
    assert len([line for line in log_lines(school, run, "state") if "s per step" in line]) == 1


@pytest.mark.slow
def test_school_that_moves_in_the_middle_of_a_run_goes_on_with_the_same_bits(
    done: School, tmp_path: Path, tiny_base: Path
) -> None:
    chunks = {**FAST, "chunk_minutes": 0.0}
    school = new_school(tmp_path / "here", base=tiny_base.as_posix(), train=chunks)
    run = queue(school)
    perform_all(school, run, 4)  # prep, baseline, two chunks of a step each
    moved = School(tmp_path / "引っ越し 2" / "school")
    moved.root.parent.mkdir()
    shutil.move(school.root, moved.root)
    perform_all(moved, run)
    results = [
        json.loads((s.run_folder(1) / "train.json").read_text("utf-8")) for s in (done, moved)
    ]
    assert results[0]["adapter_sha256"] == results[1]["adapter_sha256"]
    assert not school.root.exists()


@pytest.mark.slow
def test_quick_run_without_time_trains_on_a_part_and_keeps_the_test_notes(
    done: School, tmp_path: Path, tiny_base: Path
) -> None:
    school = new_school(tmp_path / "quick", base=tiny_base.as_posix(), train=FAST)
    run = queue(school, quick_minutes=0.01)
    perform_all(school, run)
    with Ledger(school.ledger_file) as ledger:
        assert ledger.run(run).state == "done"
    result = json.loads((school.run_folder(run) / "train.json").read_text("utf-8"))
    assert result["steps"] == 1
    assert any(
        "even one step may take longer" in line for line in log_lines(school, run, "warning")
    )
    chosen = {choice["name"]: choice["value"] for choice in result["chosen"]}
    assert chosen["training notes"] == "8 of 27"
    reports = [
        json.loads((s.run_folder(1) / "evaluate.json").read_text("utf-8")) for s in (done, school)
    ]
    assert reports[0]["answers"].keys() == reports[1]["answers"].keys()
    assert list(stage_result(school, "baseline")["arms"]) == ["zero-shot"]  # as cheap as none


@pytest.mark.slow
def test_plan_of_a_run_is_made_once(tmp_path: Path, tiny_base: Path) -> None:
    """Its worker died between the plan and the first step."""
    school = new_school(tmp_path / "quick", base=tiny_base.as_posix(), train=FAST)
    run = queue(school, quick_minutes=30)
    perform_all(school, run, 2)  # prep, baseline
    time = {
        "pace": {"pass_s": 0.1, "token_s": 0.0, "share": 0.1},
        "restart_s": 1.0,
        "lap": {"epochs": 1.0, "max_tokens": 32, "steps": 2, "fits": True},
        "chosen": [],
    }
    plan = {"budget": 256, "recomputed": 0, "bytes": {}}
    file = school.run_folder(run) / "plan.json"
    kept = json.loads(file.read_text("utf-8")) | {"plan": plan, "chosen": [], "time": time}
    del kept["sha256"]
    file.write_text(json.dumps(kept), encoding="utf-8")
    perform_all(school, run)
    result = json.loads((school.run_folder(run) / "train.json").read_text("utf-8"))
    assert result["steps"] == 2
    assert not [line for line in log_lines(school, run, "state") if "s per step" in line]
    assert json.loads(file.read_text("utf-8"))["time"] == time


def test_plan_after_a_run_equals_that_of_the_run_and_has_a_time(done: School) -> None:
    plan = ask_to_plan(done, load(done.settings_file))
    ran = json.loads((done.run_folder(1) / "plan.json").read_text("utf-8"))["plan"]
    assert plan.memory.budget == ran["budget"]
    assert plan.memory.recomputed == ran["recomputed"]
    assert plan.time
    assert (plan.notes.train, plan.time.steps) == (27, 4)
    assert plan.time.low < plan.time.seconds < plan.time.high
    assert plan.time.advice == ()  # seconds, and the night has hours


def failed_reason(school: School, run: int | None = None) -> str:
    """Why a run fails, by default a new one."""
    run = run or queue(school)
    perform_all(school, run)
    with Ledger(school.ledger_file) as ledger:
        assert ledger.run(run).state == "failed"
        return ledger.run(run).reason


def test_missing_base_is_one_line(make_school: MakeSchool) -> None:
    school = make_school(base="nobody/no-such-model")
    settings = load(school.settings_file)
    with Ledger(school.ledger_file) as ledger:  # a request would be refused
        run = ledger.add_run(settings.model_dump(), StageName.COMPARE, Timing.NOW).id
        ledger.decide(run, True, Reason.RUN_NOW)
    reason = failed_reason(school, run)
    assert "nobody/no-such-model" in reason and "go online once" in reason
    assert "\n" not in reason


@pytest.mark.parametrize("mount_point", [False, True])
def test_run_waits_for_notes_whose_drive_is_gone(
    make_school: MakeSchool, tiny_base: Path, mount_point: bool
) -> None:
    school = make_school(base=tiny_base.as_posix())
    run, notes, drive = queue(school), school.root / "notes", school.root / "drive"
    notes.rename(drive)
    if mount_point:
        notes.mkdir()
    perform_all(school, run)
    with Ledger(school.ledger_file) as ledger:
        [attempt] = ledger.attempts_of(run)
        assert (attempt.outcome, ledger.run(run).state) == ("notes_gone", "queued")
        assert str(notes) in ledger.run(run).reason
    if mount_point:
        notes.rmdir()
    drive.rename(notes)
    perform_all(school, run, 1)
    with Ledger(school.ledger_file) as ledger:
        assert ledger.stage(run, StageName.PREP).state == "done"


def test_folder_whose_notes_have_gone_is_one_line(make_school: MakeSchool) -> None:
    school = make_school()
    run = queue(school)
    for kind in KINDS:
        shutil.rmtree(school.root / "notes" / kind)
    (school.root / "notes/photo.jpg").write_bytes(b"")
    assert "1 skipped: not a note: .jpg" in failed_reason(school, run)


def test_settings_that_a_stage_rejects_are_one_line(
    make_school: MakeSchool, tiny_base: Path
) -> None:
    school = make_school(base=tiny_base.as_posix(), train={**FAST, "device": "cuda"})
    assert 'train.device = "cuda"' in failed_reason(school)
