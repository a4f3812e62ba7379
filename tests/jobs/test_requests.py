from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from nightschool.config.errors import RequestError
from nightschool.config.paths import School
from nightschool.config.secret_url import SecretUrl
from nightschool.config.settings import Settings
from nightschool.jobs.requests import duration_s, request_retry, request_run, request_stage
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from nightschool.tasks.app import open_queue

SETTINGS = Settings(base="demo")


@pytest.fixture
def school(tmp_path: Path) -> School:
    for kind in ("a", "b"):
        (tmp_path / "notes" / kind).mkdir(parents=True)
        for number, word in enumerate(("apples", "bicycles", "cellars", "dragons")):
            text = f"{kind}: a note about {word}, and nothing else. {kind * number}"
            (tmp_path / "notes" / kind / f"{number}.md").write_text(text, "utf-8")
    school = School(tmp_path)
    school.settings_file.write_text('base = "demo"\n', "utf-8")
    return school


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("45m", 2700), ("1h30m", 5400), ("90s", 90), ("1d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "two hours", "h2", "-1h"])
def test_text_that_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="is not a duration"):
        duration_s(text)


def test_duration_longer_than_a_year_is_refused() -> None:
    with pytest.raises(RequestError, match="a year"):
        duration_s("99999999d")


def test_unfinished_run_is_resumed_instead_of_queueing_a_second_one(school: School) -> None:
    with Ledger(school.ledger_file) as ledger:
        first, is_new = request_run(ledger, school, SETTINGS, Timing.TONIGHT, new=False)
        again, again_new = request_run(ledger, school, SETTINGS, Timing.NOW, new=False)
        other, other_new = request_run(ledger, school, SETTINGS, Timing.NOW, new=True)
    assert (is_new, again_new, other_new) == (True, False, True)
    assert (again.id, again.timing, other.id) == (first.id, "now", first.id + 1)


def test_finished_stage_is_not_repeated(school: School) -> None:
    with Ledger(school.ledger_file) as ledger:
        run, done = request_stage(ledger, school, SETTINGS, StageName.PREP, new=False)
        assert not done
        claim = ledger.claim(run.id, "worker")
        assert claim
        ledger.finish(claim, {})
        assert request_stage(ledger, school, SETTINGS, StageName.PREP, new=False) == (
            ledger.run(run.id),
            True,
        )
        later, done = request_stage(ledger, school, SETTINGS, StageName.TRAIN, new=False)
    assert (later.id, later.goal, done) == (run.id, "train", False)


def test_stage_of_a_failed_run_is_refused_with_a_hint_to_retry(school: School) -> None:
    with Ledger(school.ledger_file) as ledger:
        run, _ = request_stage(ledger, school, SETTINGS, StageName.PREP, new=False)
        claim = ledger.claim(run.id, "worker")
        assert claim
        ledger.fail(claim, "no notes")
        with pytest.raises(RequestError, match="nightschool retry 1"):
            request_stage(ledger, school, SETTINGS, StageName.PREP, new=False)


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_new_run_without_notes_is_refused_while_an_older_one_resumes(
    school: School, left: str
) -> None:
    with Ledger(school.ledger_file) as ledger:
        shutil.rmtree(school.root / "notes")
        if left == "an empty folder":
            (school.root / "notes").mkdir()
        for new in (False, True):
            with pytest.raises(
                RequestError, match=r"no notes (at|in) .*notes: (connect its drive|put some there)"
            ):
                request_run(ledger, school, SETTINGS, Timing.NOW, new=new)
            with pytest.raises(
                RequestError, match=r"no notes (at|in) .*notes: (connect its drive|put some there)"
            ):
                request_stage(ledger, school, SETTINGS, StageName.PREP, new=new)
        assert ledger.runs() == []
        run = ledger.add_run(SETTINGS.model_dump(), StageName.COMPARE, Timing.TONIGHT).id
        assert request_run(ledger, school, SETTINGS, Timing.NOW, new=False)[0].id == run


def test_request_enqueues_the_due_stage_once(school: School) -> None:
    with Ledger(school.ledger_file) as ledger, closing(open_queue(school, "sqlite")) as queue:
        request_run(ledger, school, SETTINGS, Timing.TONIGHT, new=True)
        request_run(ledger, school, SETTINGS, Timing.TONIGHT, new=False)
        request_stage(ledger, school, SETTINGS, StageName.PREP, new=True)
        assert queue.count() == 2
        first, second = queue.huey.pending()
    assert (first.name, first.args) == ("prep", (2,)), "`now` before `tonight`"
    assert (second.name, second.args) == ("prep", (1,))


def test_retried_run_is_enqueued(school: School) -> None:
    with Ledger(school.ledger_file) as ledger, closing(open_queue(school, "sqlite")) as queue:
        run = ledger.add_run(SETTINGS.model_dump(), StageName.COMPARE, Timing.NOW).id
        ledger.cancel(run)
        assert request_retry(ledger, school, SETTINGS, run).state == "queued"
        assert queue.is_waiting(run, StageName.PREP)


@pytest.mark.parametrize("broken", ["redis", "sqlite"])
def test_request_is_recorded_although_the_queue_is_out_of_reach(
    school: School, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = SETTINGS
    if broken == "redis":
        settings = SETTINGS.model_copy(update={"queue": SecretUrl("redis://127.0.0.1:1/0")})
    else:
        school.queue_file.mkdir(parents=True)
    with Ledger(school.ledger_file) as ledger:
        run, _ = request_run(ledger, school, settings, Timing.NOW, new=True)
        assert ledger.run(run.id).state == "queued"
    [line] = caplog.messages
    assert line.startswith("run 1 is recorded, but the queue cannot be used (")
