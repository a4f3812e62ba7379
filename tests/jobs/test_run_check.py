"""What `doctor` knows to be doomed is refused when it is requested: exit 2, one line, nothing queued."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from nightschool.config.errors import RequestError
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.config.settings_template import template
from nightschool.config.trusted_schools import trust
from nightschool.jobs import run_check
from nightschool.jobs.requests import request_retry, request_run
from nightschool.learning.probe import DeviceProbe
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import STAGES, StageName, Timing
from nightschool.tasks import child_queries
from tests.cli.conftest import invoke

WORDS = ("apples", "bicycles", "cellars", "dragons")


def write(folder: Path, word: str) -> None:
    for number, thing in enumerate(WORDS):
        (folder / word).mkdir(parents=True, exist_ok=True)
        (folder / word / f"{number}.md").write_text(f"{word}: a note about {thing}.", "utf-8")


@pytest.fixture
def school(tmp_path: Path) -> School:
    school = School(tmp_path / "学校 1")
    for kind in ("lesson", "decision"):
        write(school.root / "notes", kind)
    configure(school)
    trust(school)
    return school


def configure(school: School, **values: Any) -> None:
    school.settings_file.write_text(template({"preset": "cpu-demo", **values}), "utf-8")


def _folders_are_no_kinds(school: School) -> None:
    configure(school, notes={"kind_from": ["kind"]})


def _one_kind(school: School) -> None:
    shutil.rmtree(school.root / "notes/lesson")


def _clash(school: School) -> None:
    (school.root / "notes/Lesson").mkdir()
    (school.root / "notes/Lesson/x.md").write_text("a note of its own", "utf-8")


def _gone(school: School) -> None:
    shutil.rmtree(school.root / "notes")


def _exclude_all(school: School) -> None:
    configure(school, notes={"exclude": ["*.md"]})


def _ambiguous_alias(school: School) -> None:
    school.settings_file.write_text(
        'base = "demo"\n[kinds]\nlesson = { aliases = ["Both"] }\ndecision = { aliases = ["both"] }\n',
        "utf-8",
    )


def _missing_base(school: School) -> None:
    configure(school, base="./models/none")


def _offline_base(school: School) -> None:
    configure(school, base="owner/model")


DOOMED = {
    _folders_are_no_kinds: "none of 8 notes has a kind",
    _one_kind: 'there is only one kind, "decision"',
    _clash: "differ only in case or width",
    _gone: "there are no notes at",
    _exclude_all: "(8 skipped: excluded by *.md): remove a pattern from notes.exclude",
    _ambiguous_alias: 'the alias "both" names two kinds, "lesson" and "decision"',
    _missing_base: "there is no folder",
    _offline_base: "HF_HUB_OFFLINE forbids its download",
}


@pytest.mark.parametrize("spoil", DOOMED)
@pytest.mark.parametrize("arguments", ["run --tonight", "run --now", "prep", "compare --detach"])
def test_a_doomed_run_is_refused_at_once(school: School, spoil: Any, arguments: str) -> None:
    spoil(school)
    done = invoke(school, *arguments.split())
    assert done.exit_code == 2 and done.output.count("\n") == 1, done.output
    assert DOOMED[spoil] in done.output and "unexpected" not in done.output
    with Ledger(school.ledger_file) as ledger:
        assert ledger.runs() == []


def test_folders_that_differ_only_in_case_are_one_kind_if_kinds_lists_it(school: School) -> None:
    _clash(school)
    configure(school, kinds={"lesson": "", "decision": ""})
    done = invoke(school, "run", "--tonight")
    assert done.exit_code == 0 and "run 1 is queued" in done.output, done.output


@pytest.mark.parametrize("verb", ["notes", "label --json"])
def test_a_folder_that_is_gone_is_one_line(school: School, verb: str) -> None:
    _gone(school)
    done = invoke(school, *verb.split())
    assert done.exit_code == 2 and "there are no notes at" in done.stderr
    assert (
        len(done.stderr.splitlines()) <= 1 + (verb != "notes") and "unexpected" not in done.output
    )


def test_a_queued_run_is_judged_by_the_settings_that_it_was_queued_with(school: School) -> None:
    with Ledger(school.ledger_file) as ledger:
        request_run(ledger, school, load(school.settings_file), Timing.TONIGHT, new=False)
    _one_kind(school)
    write(school.root / "notes", "Inbox")
    configure(school, kinds={"decision": "", "Inbox": ""})
    done = invoke(school, "prep")
    assert done.exit_code == 2
    assert (
        "run 1 would fail with the settings that it was queued with: there is only one"
        in done.output
    )
    assert "`nightschool run --new` queues a run with your current settings" in done.output
    new = invoke(school, "run", "--new", "--tonight")
    assert new.exit_code == 0 and "run 2 is queued" in new.output


def test_notes_that_are_out_of_reach_keep_no_queued_run_from_waiting(school: School) -> None:
    settings = load(school.settings_file)
    with Ledger(school.ledger_file) as ledger:
        run, _ = request_run(ledger, school, settings, Timing.TONIGHT, new=False)
        _gone(school)
        assert request_run(ledger, school, settings, Timing.NOW, new=False)[0].id == run.id


def test_a_retry_that_would_fail_again_points_to_a_new_run(school: School) -> None:
    settings = load(school.settings_file)
    with Ledger(school.ledger_file) as ledger:
        run, _ = request_run(ledger, school, settings, Timing.TONIGHT, new=False)
        ledger.cancel(run.id)
        _one_kind(school)
        with pytest.raises(RequestError, match="`nightschool run --new`"):
            request_retry(ledger, school, settings, run.id)
        assert ledger.run(run.id).state == "cancelled"


def test_a_retry_says_that_changed_settings_need_a_new_run(school: School) -> None:
    with Ledger(school.ledger_file) as ledger:
        ledger.cancel(
            request_run(ledger, school, load(school.settings_file), Timing.TONIGHT, new=False)[0].id
        )
    assert "run --new" not in invoke(school, "retry", "1").output
    invoke(school, "cancel", "1")
    configure(school, train={"epochs": 2.0})
    assert "`nightschool run --new` queues a run with them" in invoke(school, "retry", "1").output


@pytest.mark.parametrize("timing", list(Timing))
def test_a_run_at_night_tries_the_device_first_unless_a_run_got_past_it(
    school: School, timing: Timing, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = DeviceProbe(torch="2", cuda_build=None, device_error="there is no CUDA device")
    monkeypatch.setattr(child_queries, "ask_to_probe", lambda *_: probe)
    configure(school, train={"device": "cuda"})
    settings = load(school.settings_file)
    with Ledger(school.ledger_file) as ledger:
        if timing == Timing.TONIGHT:
            with pytest.raises(RequestError, match="no CUDA device"):
                run_check.check_new_run(ledger, school, settings, timing)
        run = ledger.add_run(settings.model_dump(), STAGES[-1], Timing.NOW).id
        for _ in (StageName.PREP, StageName.BASELINE):
            claim = ledger.claim(run, "worker")
            assert claim
            ledger.finish(claim, {})
        run_check.check_new_run(ledger, school, settings, timing)
