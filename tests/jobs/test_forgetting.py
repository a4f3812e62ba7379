"""Forgetting notes: every trace goes, numbers and other notes stay, and a crash is made good."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nightschool.config import files
from nightschool.config.errors import RequestError
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs.forgetting import erasure
from nightschool.jobs.forgetting.interrupted import complete_interrupted
from nightschool.jobs.forgetting.performing import Forgotten, complete_forgettings, forget
from nightschool.jobs.forgetting.selection import (
    Selection,
    present_notes,
    select_gone,
    select_named,
)
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import EventKind, StageName, Timing
from nightschool.notes.dataset import load as load_dataset
from nightschool.notes.identity import content_id
from nightschool.notes.labels import Label, write_labels
from nightschool.notes.split_assignments import read_split_assignments
from nightschool.reports import writer
from tests.conftest import MakeSchool
from tests.prepared import prepare

TEXT = '# Garten 庭\n\nThe vault\'s code is hunter-2718, "behind" the <old> shed.\n'
NAME = "lesson/geheim-garten.md"
EXAMPLE = Path(__file__).parents[1] / "reports" / "report_example.json"
NEEDLES = ("hunter-2718", "geheim-garten", content_id(TEXT), "Garten 庭", "\\u5ead")


def plant(school: School) -> int:
    """A note, a run that froze it, and a trace of it in every file where one may be."""
    (school.root / "notes" / NAME).write_text(TEXT, encoding="utf-8")
    run = prepare(school)
    folder, id_ = school.run_folder(run), content_id(TEXT)
    answers = {"answers": {id_: "lesson", "other": "none"}, "accuracy": 0.75}
    for name in ("evaluate.json", "seed-1/evaluated.json", "champion.json"):
        files.write(folder / name, json.dumps(answers))
    files.write(folder / "left_out.json", json.dumps({id_: "lesson"}))
    lines = [{"id": id_, "reply": "hunter-2718"}, {"id": "other", "reply": "none"}]
    files.write(folder / "server.jsonl", "\n".join(map(json.dumps, lines)))
    report = json.loads(EXAMPLE.read_text("utf-8"))
    change = report["changes"][0] | {"text": TEXT, "source": NAME}
    report["changes"] = [change]
    report["answers"] = [{k: v for k, v in change.items() if k != "text"}, *report["answers"]]
    leak = {
        "kind": "lesson", "form": "line", "text": TEXT.splitlines()[2], "found": 9, "of": 9, "others_found": 0,
        "others": 20, "source": NAME, "line": 3, "remedy": "remove_lines", "entry": TEXT.splitlines()[2],
    }  # fmt: skip
    report["label_leaks"] = {"searched": 29, "leaks": [leak], "accuracy": None}
    report["dataset"]["warnings"] = [f"1 note left out: {NAME}"]
    files.write(folder / "report/report.json", json.dumps(report, ensure_ascii=False))
    files.write(folder / "report/report.html", TEXT)
    files.write(folder / "logs/train-1.log", f"/home/me/notes/{NAME}: {TEXT} failed\nan error\n")
    files.write(school.inventory_file, TEXT)
    files.write(school.state / "seen.json", json.dumps({"problem": f"{NAME} cannot be read"}))
    kept = content_id((school.root / "notes/none/none-1.md").read_text("utf-8"))
    write_labels(school.labels_file, [Label(id_, "lesson", NAME, TEXT[:20]), Label(kept, "none")])
    with Ledger(school.ledger_file) as ledger:
        ledger.event(run, StageName.PREP, EventKind.WARNING, f"1 note left out: {NAME}, b.md")
        ledger.event(run, StageName.PREP, EventKind.WARNING, f"unexpected ValueError: {TEXT}")
        ledger._db.execute(
            "UPDATE stages SET result = ? WHERE name = 'evaluate'", [json.dumps(answers)]
        )
        ledger._db.execute("UPDATE runs SET reason = ?", [f"{NAME} is broken"])
    return run


@pytest.fixture
def school(make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch) -> School:
    """A school with a planted note that its owner has deleted. Charts are not drawn."""

    def write(report: Any, folder: Path) -> None:
        files.write(folder / "report.html", "".join(change.text for change in report.changes))

    monkeypatch.setattr(writer, "write", write)
    school = make_school()
    plant(school)
    (school.root / "notes" / NAME).unlink()
    return school


def select(school: School, *names: str) -> Selection:
    with Ledger(school.ledger_file) as ledger:
        settings = load(school.settings_file)
        if names:
            return select_named(school, settings, ledger, names)
        return select_gone(school, settings, ledger)


def forget_it(school: School, *names: str, retrain: bool = False) -> Forgotten:
    selection = select(school, *names)
    with Ledger(school.ledger_file) as ledger:
        return forget(school, load(school.settings_file), ledger, selection, retrain=retrain)


def traces(school: School) -> dict[str, list[str]]:
    """The needles that each file still holds, in any encoding of JSON."""
    found = {}
    for file in school.root.rglob("*"):
        if file.is_file() and (held := [n for n in NEEDLES if n.encode() in file.read_bytes()]):
            found[file.relative_to(school.root).as_posix()] = held
    return found


def test_no_byte_of_a_forgotten_note_is_left(school: School) -> None:
    assert len(traces(school)) >= 12
    done = forget_it(school, NAME)
    assert traces(school) == {}
    assert done.left == () and done.retraining is None


def test_the_rest_stays_as_it_was(school: School) -> None:
    former = load_dataset(next(school.datasets.glob("*/"))).items
    forget_it(school, NAME)
    folder = school.run_folder(1)
    evaluated = json.loads((folder / "evaluate.json").read_text("utf-8"))
    assert evaluated == {"answers": {"other": "none"}, "accuracy": 0.75}
    assert "an error" in (folder / "logs/train-1.log").read_text("utf-8")
    report = json.loads((folder / "report/report.json").read_text("utf-8"))
    example = json.loads(EXAMPLE.read_text("utf-8"))
    assert report["arms"] == example["arms"]
    assert report["answers"][1:] == example["answers"]
    assert report["changes"][0]["text"] == report["answers"][0]["source"] == "[forgotten]"
    with Ledger(school.ledger_file) as ledger:
        messages = [event.message for event in ledger.events(1)]
    assert "1 note left out: [forgotten], b.md" in messages
    prepared = json.loads((folder / "prep.json").read_text("utf-8"))
    dataset = load_dataset(school.datasets / prepared["dataset"])
    assert dataset.fingerprint == prepared["fingerprint"]
    assert {i.text for i in dataset.items} == {i.text for i in former} - {TEXT}
    assert [path.name for path in school.datasets.glob("*/")] == [prepared["dataset"]]


def test_the_model_is_marked_and_a_run_without_the_note_is_queued(school: School) -> None:
    split = read_split_assignments(school.split_assignments_file).known[content_id(TEXT)]
    done = forget_it(school, NAME, retrain=True)
    with Ledger(school.ledger_file) as ledger:
        (record,) = ledger.forgettings()
        assert ledger.learned_forgotten(1) == (split != "test")
        if split != "test":
            assert done.retraining == record.retraining == 2
            assert ledger.run(2).timing == Timing.TONIGHT
        assert not ledger.control().paused
    (run,) = record.runs
    assert record.done and (run.run, len(run.dataset_after)) == (1, 64)
    assert run.dataset_before != run.dataset_after


class Killed(BaseException):
    """What a kill is to the code that it interrupts."""


@contextmanager
def killed_at(write: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A context that ends at the given write or removal of a file, or of the ledger's texts."""
    left = [write]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return function(*arguments, **named)

        return call

    with monkeypatch.context() as patched:
        for name in ("write", "rewrite", "remove"):
            patched.setattr(files, name, counted(getattr(files, name)))
        for name in ("rewrite_texts", "rename_dataset", "finish_forgetting", "compact"):
            patched.setattr(Ledger, name, counted(getattr(Ledger, name)))
        yield


@pytest.mark.parametrize(
    "write",
    [n if n in (4, 12) else pytest.param(n, marks=pytest.mark.slow) for n in range(32)],
)
def test_a_kill_at_any_point_is_made_good(
    school: School, write: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        with killed_at(write, monkeypatch):
            forget_it(school, NAME)
    except Killed:
        complete_interrupted(school)
        with Ledger(school.ledger_file) as ledger:
            recorded = ledger.forgettings()
        if not recorded:  # as if it had not been asked
            forget_it(school, NAME)
    assert traces(school) == {}
    with Ledger(school.ledger_file) as ledger:
        assert [one.done for one in ledger.forgettings()] == [True]
        assert [run.dataset_after != "" for run in ledger.forgettings()[0].runs] == [True]
    assert complete_forgettings(school) == []


def test_an_edited_note_loses_its_former_text_and_keeps_its_name(school: School) -> None:
    (school.root / "notes" / NAME).write_text("Something else was learnt here.", encoding="utf-8")
    assert select(school).notes == 1
    forget_it(school, NAME)
    assert set(traces(school)) <= {
        ".nightschool/ledger.db", ".nightschool/runs/1/logs/train-1.log",
        ".nightschool/runs/1/prep.json", ".nightschool/runs/1/report/report.json",
        ".nightschool/runs/1/run.json",
        ".nightschool/seen.json", f"notes/{NAME}",
    }  # fmt: skip
    assert {needle for held in traces(school).values() for needle in held} == {"geheim-garten"}


def test_a_note_that_is_still_there_is_not_forgotten(school: School) -> None:
    with pytest.raises(RequestError, match="still in the notes folder"):
        select(school, "decision/decision-1.md")
    with pytest.raises(RequestError, match=r"knows lesson/unheard\.md"):
        select(school, "lesson/unheard.md")


def test_gone_selects_what_is_no_longer_there(school: School) -> None:
    (school.root / "notes/none/none-3.md").unlink()
    assert select(school).sources == (NAME, "none/none-3.md")


def test_a_missing_drive_is_no_reason_to_forget(school: School) -> None:
    for kind in ("decision", "lesson"):
        for file in (school.root / "notes" / kind).iterdir():
            file.unlink()
    with pytest.raises(RequestError, match="notes are left in"):
        select(school)
    assert select(school, "decision").notes == 12, "its folder is named"


def test_an_unreadable_note_may_be_what_another_number_of_folders_calls_otherwise(
    school: School,
) -> None:
    (school.root / "notes/lesson/broken.md").write_bytes(bytes(range(256)))
    (school.root / "work").mkdir()
    (school.root / "work/a.md").write_text("a", "utf-8")
    alone = load(school.settings_file)
    both = alone.notes.model_copy(update={"folder": ["notes", "work"]})
    for settings in (alone, alone.model_copy(update={"notes": both})):
        present = present_notes(school, settings)
        for name in ("lesson/broken.md", "notes/lesson/broken.md"):
            assert present.may_hold({name})
        assert not present.may_hold({"lesson/gone.md"})


def test_an_unfinished_training_on_the_note_starts_over(make_school: MakeSchool) -> None:
    school = make_school()
    (school.root / "notes" / NAME).write_text(TEXT, encoding="utf-8")
    run = prepare(school, done=False)
    checkpoint = school.run_folder(run) / "checkpoints" / "step-1" / "state.json"
    files.write(checkpoint, "{}")
    (school.root / "notes" / NAME).unlink()
    forget_it(school, NAME, retrain=True)
    assert not checkpoint.exists() and traces(school) == {}


def test_work_is_paused_meanwhile_and_a_pause_of_the_owner_stays(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = SimpleNamespace(paused=False)
    erase = erasure.erase

    def watched(school: School, ledger: Ledger, selection: Selection) -> None:
        seen.paused = ledger.control().paused
        erase(school, ledger, selection)

    monkeypatch.setattr("nightschool.jobs.forgetting.performing.erase", watched)
    with Ledger(school.ledger_file) as ledger:
        ledger.pause(None)
    forget_it(school, NAME)
    with Ledger(school.ledger_file) as ledger:
        assert seen.paused and ledger.control().paused
