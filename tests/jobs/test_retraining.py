"""Runs that a retraining check queues, and queues only once: with a real ledger and a real child."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nightschool.config.paths import School
from nightschool.config.settings import RetrainSettings
from nightschool.config.settings_file import load
from nightschool.jobs import retraining
from nightschool.jobs.note_check import (
    NoteCheck,
    RequestedRun,
    current_note_check,
    hint,
    read_note_check,
    write_note_check,
)
from nightschool.jobs.retraining import EVERY_S, RetrainingCheck, check_notes, retrain_reason
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import STAGES, Run, Timing
from nightschool.notes.new_notes import NewNotes
from tests.conftest import KINDS, MakeSchool
from tests.prepared import prepare

OFF = RetrainSettings()
FROM_20 = RetrainSettings(min_new=20)
WEEKLY = RetrainSettings(every="weekly")
DAY = 86400.0
HANGING_DRIVE = """
import sys, time

def hang(event, arguments):
    if event == "open" and str(arguments[0]).endswith("labels.jsonl"):
        time.sleep(600)

sys.addaudithook(hang)
"""


def news(new: int, *grown: str) -> NewNotes:
    return NewNotes(4, 100, 100 + new, new, grown)


@pytest.mark.parametrize(
    ("changes", "settings", "days", "requested", "reason"),
    [
        (news(500, "lesson"), OFF, 900, None, ""),
        (news(19), FROM_20, 900, None, ""),
        (news(20), FROM_20, 0, None, "20 new labelled notes since run 4"),
        (news(1, "lesson"), FROM_20, 0, None,
         '1 new labelled note since run 4; "lesson" now has enough notes'),
        (news(1), WEEKLY, 6.9, None, ""),
        (news(1), WEEKLY, 7, None, "1 new labelled note since run 4, weekly (retrain.every)"),
        (news(0), WEEKLY, 70, None, ""),
        (news(0), FROM_20, 70, None, ""),
        # The clock showed another year when the last run was queued.
        (news(1), WEEKLY, -365, None, "1 new labelled note since run 4, weekly (retrain.every)"),
        (news(1), WEEKLY, -0.1, None, ""),
        # A run was requested for these notes, and ended before it read them.
        (news(25, "a"), FROM_20, 9, RequestedRun(4, 4, 25, ("a",)), ""),
        (news(44, "a"), FROM_20, 9, RequestedRun(4, 4, 25, ("a",)), ""),
        (news(45, "a"), FROM_20, 9, RequestedRun(4, 4, 25, ("a",)),
         '45 new labelled notes since run 4; "a" now has enough notes'),
        (news(26, "a", "b"), FROM_20, 9, RequestedRun(4, 4, 25, ("a",)),
         '26 new labelled notes since run 4; "a", "b" now have enough notes'),
        (news(25), WEEKLY, 9, RequestedRun(4, 4, 25, ()), ""),
        (news(26), WEEKLY, 9, RequestedRun(4, 4, 25, ()),
         "26 new labelled notes since run 4, weekly (retrain.every)"),
    ],
)  # fmt: skip
def test_retrain_reason(
    changes: NewNotes,
    settings: RetrainSettings,
    days: float,
    requested: RequestedRun | None,
    reason: str,
) -> None:
    assert retrain_reason(changes, settings, days * DAY, requested) == reason


@pytest.fixture
def school(make_school: MakeSchool) -> School:
    """Run 1 is done and read 36 notes; four more queue another run."""
    school = make_school(retrain={"min_new": 4})
    assert prepare(school) == 1
    return school


def write_more(school: School, first: int, count: int = 4) -> None:
    """New notes, one of each kind in turn."""
    for number in range(first, first + count):
        text = " ".join(f"{1000 * number + word:x}!" for word in range(9))
        file = school.root / f"notes/{KINDS[number % len(KINDS)]}/new-{number}.md"
        file.write_text(text, encoding="utf-8")


def end(school: School, run: int, *, prep: bool) -> None:
    """Let a run fail, before its notes are frozen or after."""
    with Ledger(school.ledger_file) as ledger:
        if prep:
            prepare(school, run, done=False)
        claim = ledger.claim(run, "worker")
        assert claim
        ledger.fail(claim, "no room on the disk")


def runs(school: School) -> list[Run]:
    with Ledger(school.ledger_file) as ledger:
        return ledger.runs()


def hint_of(school: School) -> str:
    with Ledger(school.ledger_file) as ledger:
        return hint(current_note_check(school, ledger), load(school.settings_file).retrain)


def test_run_is_queued_once_with_its_reason_and_not_while_another_is_open(school: School) -> None:
    assert check_notes(school, time.time()) is None
    write_more(school, 0, 3)
    assert check_notes(school, time.time()) is None
    assert hint_of(school) == (
        "3 new labelled notes since run 1; a run is queued automatically at 4 (retrain.min_new)"
    )
    write_more(school, 3, 1)
    queued = check_notes(school, time.time())
    assert queued and (queued.id, queued.timing, queued.goal) == (2, "tonight", "compare")
    assert queued.reason == "queued automatically: 4 new labelled notes since run 1"
    with Ledger(school.ledger_file) as ledger:
        assert queued.reason in [event.message for event in ledger.events(2)]
    write_more(school, 4, 8)
    assert check_notes(school, time.time()) is None
    assert len(runs(school)) == 2 and hint_of(school) == ""
    prepare(school, 2)
    assert check_notes(school, time.time()) is None


@pytest.mark.parametrize("prep", [False, True])
def test_failed_run_is_not_queued_again_for_the_same_notes(school: School, prep: bool) -> None:
    write_more(school, 0)
    assert check_notes(school, time.time())
    end(school, 2, prep=prep)
    assert check_notes(school, time.time()) is None
    write_more(school, 4, 3)
    assert check_notes(school, time.time()) is None
    write_more(school, 7, 1)
    queued = check_notes(school, time.time())
    assert queued and queued.id == 3
    assert queued.reason.endswith("4 new labelled notes since run 2" if prep else "since run 1")


def test_cancelled_run_is_not_queued_again(school: School) -> None:
    write_more(school, 0)
    assert check_notes(school, time.time())
    with Ledger(school.ledger_file) as ledger:
        ledger.cancel(2)
    assert check_notes(school, time.time()) is None
    assert len(runs(school)) == 2


def test_run_is_queued_after_a_worker_died_before_queueing_it(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: Ledger, settings: object, why: str) -> None:
        raise KeyboardInterrupt

    write_more(school, 0)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "queue_retraining", die)
        with pytest.raises(KeyboardInterrupt):
            check_notes(school, time.time())
    assert read_note_check(school.seen_file).requested and len(runs(school)) == 1
    assert check_notes(school, time.time())


def test_unchanged_notes_are_not_read_again(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_more(school, 0, 2)
    check_notes(school, 1_800_000_000.0)
    before = read_note_check(school.seen_file)
    shutil.rmtree(school.datasets)  # a reading would need it
    check_notes(school, 1_800_003_600.0)
    assert read_note_check(school.seen_file) == replace(before, at=1_800_003_600.0)
    write_more(school, 2, 1)
    check_notes(school, 1_800_007_200.0)
    assert "the notes that run 1 read are no longer recorded" in hint_of(school)


def test_vanished_notes_are_a_problem_and_no_reason(school: School) -> None:
    write_more(school, 0, 2)
    check_notes(school, 1.0)
    notes = school.root / "notes"
    notes.rename(school.root / "away")
    assert check_notes(school, 2.0) is None
    time_text = time.strftime("%a %d %b %H:%M", time.localtime(2.0))
    assert f"retraining check of {time_text}: there are no notes at" in hint_of(school)
    assert read_note_check(school.seen_file).news == NewNotes(1, 36, 38, 2, ())
    notes.mkdir()  # as where a drive is mounted
    assert check_notes(school, 3.0) is None
    assert "only 0 of the 36 labelled notes that run 1 read are left: reconnect their drive" in (
        hint_of(school)
    )
    notes.rmdir()
    (school.root / "away").rename(notes)
    write_more(school, 2, 2)
    assert check_notes(school, 4.0)


def test_labels_of_the_owner_count_as_new(school: School) -> None:
    from nightschool.notes.identity import content_id
    from nightschool.notes.labels import Label, write_labels
    from nightschool.notes.readers import read_notes

    notes = read_notes(school.root / "notes").notes
    none = [note for note in notes if note.kind == "none"][:4]
    write_labels(school.labels_file, [Label(content_id(note.text), "lesson") for note in none])
    queued = check_notes(school, time.time())
    assert queued and "4 new labelled notes since run 1" in queued.reason


def test_first_run_is_never_queued_automatically(make_school: MakeSchool) -> None:
    school = make_school(retrain={"min_new": 1})
    assert check_notes(school, time.time()) is None
    assert (runs(school), hint_of(school)) == ([], "")


def test_retraining_is_off_by_default_with_a_hint_from_ten_notes(make_school: MakeSchool) -> None:
    school = make_school()
    prepare(school)
    write_more(school, 0, 9)
    assert check_notes(school, time.time()) is None
    assert hint_of(school) == ""
    write_more(school, 9, 1)
    assert check_notes(school, time.time()) is None
    assert hint_of(school) == (
        "10 new labelled notes since run 1: `nightschool run --tonight`, or set retrain.min_new"
    )


def test_invalid_settings_are_stored_as_a_problem(school: School) -> None:
    school.settings_file.write_text("[retrain]\nmin_new = -1\n", encoding="utf-8")
    assert check_notes(school, time.time()) is None
    assert "line 2" in read_note_check(school.seen_file).problem


@pytest.mark.parametrize("text", ["", "{", "[]", '{"at": 1}', '{"news": {}, "asked": null}'])
def test_damaged_record_is_ignored(school: School, text: str) -> None:
    school.seen_file.write_text(text, encoding="utf-8")
    write_more(school, 0)
    assert check_notes(school, time.time())


def test_record_round_trips(school: School) -> None:
    check_notes(school, 1.0)
    requested = RequestedRun(1, 1, 3, ("a", "b"))
    check = replace(read_note_check(school.seen_file), requested=requested, problem="何か")
    write_note_check(school.seen_file, check)
    assert read_note_check(school.seen_file) == check


def test_record_of_version_0_1_0_is_read(tmp_path: Path) -> None:
    file = tmp_path / "seen.json"
    file.write_text(
        '{"at": 1.0, "fingerprint": "f", "problem": "",'
        ' "news": {"run": 1, "before": 36, "now": 40, "new": 4, "grown": ["a"]},'
        ' "asked": {"newest": 1, "since": 1, "new": 4, "grown": ["a"]}}',
        encoding="utf-8",
    )
    assert read_note_check(file) == NoteCheck(
        1.0, "f", NewNotes(1, 36, 40, 4, ("a",)), RequestedRun(1, 1, 4, ("a",))
    )


def test_drive_that_never_answers_is_given_up(
    school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child hangs as it opens labels.jsonl."""
    school.labels_file.touch()
    (tmp_path / "drive").mkdir()
    (tmp_path / "drive" / "sitecustomize.py").write_text(HANGING_DRIVE, encoding="utf-8")
    paths = (str(tmp_path / "drive"), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    begun = time.monotonic()
    assert check_notes(school, time.time(), limit_s=2.0) is None
    assert time.monotonic() - begun < 20
    assert hint_of(school).endswith(": no answer in 2 s")


# The schedule of checks


class CheckTimes:
    """Records when checks ran, and waits for their threads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at: list[float] = []
        self.check: RetrainingCheck | None = None
        monkeypatch.setattr(retraining, "check_notes", lambda school, now: self.at.append(now))

    def tick(self, school: School, now: float) -> None:
        self.check = self.check or RetrainingCheck(school)
        self.check.start_if_due(load(school.settings_file).night, now)
        if self.check.thread:
            self.check.thread.join(10)


def test_checks_run_hourly_from_half_an_hour_before_the_window(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = CheckTimes(monkeypatch)
    noon = time.mktime((2026, 11, 24, 12, 0, 0, 0, 0, -1))
    for minute in range(0, 24 * 60, 5):
        checks.tick(school, noon + 60 * minute)
    hours = [time.strftime("%H:%M", time.localtime(at)) for at in checks.at]
    assert hours == ["22:30", "23:30", *(f"0{hour}:30" for hour in range(7))]


def test_checks_continue_after_the_clock_was_set_back(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = CheckTimes(monkeypatch)
    night = time.mktime((2026, 11, 24, 23, 30, 0, 0, 0, -1))
    for now in (night, night + 1, night - 365 * DAY, night - 365 * DAY + EVERY_S):
        checks.tick(school, now)
    assert checks.at == [night, night - 365 * DAY, night - 365 * DAY + EVERY_S]


def test_read_only_school_is_logged_and_queues_nothing(
    school: School, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def read_only(file: Path, seen: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(retraining, "write_note_check", read_only)
    night = time.mktime((2026, 11, 24, 23, 30, 0, 0, 0, -1))
    write_more(school, 0)
    check = RetrainingCheck(school)
    check.start_if_due(load(school.settings_file).night, night)
    assert check.thread
    check.thread.join(60)
    assert "the retraining check failed: [Errno 30] Read-only file system" in caplog.text
    assert len(runs(school)) == 1


@pytest.mark.parametrize(("on", "queued"), [(True, [1, 2]), (False, [1])])
def test_run_that_failed_with_errors_that_may_have_passed_is_queued_anew(
    make_school: MakeSchool, on: bool, queued: list[int]
) -> None:
    """Also if it was the first run, so that no other run has read notes."""
    school = make_school(retrain={"min_new": 20 if on else 0})
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run({}, STAGES[-1], Timing.TONIGHT)
        while claim := ledger.claim(1, "worker"):
            ledger.interrupt(claim, Outcome.ERROR, "OSError: Input/output error")
        assert ledger.run(1).state == "failed"
    for _ in range(2):
        check_notes(school, time.time())
    with Ledger(school.ledger_file) as ledger:
        assert [run.id for run in ledger.runs()] == queued
        if on:
            assert "run 1 failed with an error that may have passed" in ledger.run(2).reason


def test_run_that_failed_for_good_is_not_queued_anew(make_school: MakeSchool) -> None:
    school = make_school(retrain={"min_new": 20})
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run({}, STAGES[-1], Timing.TONIGHT)
        claim = ledger.claim(1, "worker")
        assert claim
        ledger.fail(claim, "there is no folder")
    assert check_notes(school, time.time()) is None
