"""What `status` says of the night and of new notes."""

from __future__ import annotations

import json
import time

from click.testing import CliRunner

from nightschool.cli.main import cli
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs.note_check import Seen, write_seen
from nightschool.jobs.retraining import look
from nightschool.ledger.ledger import Ledger
from tests.conftest import MakeSchool
from tests.prepared import prepare


def status(school: School, *options: str) -> str:
    found = CliRunner().invoke(cli, ["--school", str(school.root), "status", *options])
    assert found.exit_code == 0, found.output
    return found.output


def test_new_notes_are_told_until_a_run_has_read_them(make_school: MakeSchool) -> None:
    school = make_school()
    prepare(school)
    for number in range(12):
        text = " ".join(f"{1000 * number + word:x}!" for word in range(9))
        (school.root / f"notes/none/new-{number}.md").write_text(text, encoding="utf-8")
    assert "new labelled notes" not in status(school)
    look(school, time.time())
    line = (
        '12 new labelled notes since run 1, and enough now of "none": `nightschool run --tonight`, or set '
        "retrain.min_new"
    )
    assert status(school).splitlines()[-1] == line
    news = json.loads(status(school, "--json"))["notes"]["news"]
    assert news == {"run": 1, "before": 36, "now": 48, "new": 12, "grown": ["none"]}
    prepare(school)
    assert "new labelled notes" not in status(school)


def test_what_kept_the_notes_from_being_looked_at_is_told(make_school: MakeSchool) -> None:
    school = make_school()
    prepare(school)
    looked = time.mktime((2026, 11, 24, 22, 30, 0, 0, 0, -1))
    write_seen(school.seen_file, Seen(looked, problem="there are no notes at /gone"))
    line = "looking at the notes (Tue 24 Nov 22:30): there are no notes at /gone"
    assert status(school).splitlines()[-1] == line
    assert json.loads(status(school, "--json"))["notes"]["problem"] == "there are no notes at /gone"


def test_the_night_is_told_in_a_line_for_itself_and_one_for_each_run(
    make_school: MakeSchool,
) -> None:
    now = time.localtime(time.time() - 1800)
    start = f"{now.tm_hour:02}:{now.tm_min:02}"
    later = time.localtime(time.time() + 7200)
    school = make_school(night={"start": start, "end": f"{later.tm_hour:02}:{later.tm_min:02}"})
    clock = time.time() - 1200
    assert json.loads(status(school, "--json"))["night"] is None
    with Ledger(school.ledger_file, clock=lambda: clock) as ledger:
        run = ledger.add_run(load(school.settings_file).model_dump(), "compare", "tonight").id
    told = status(school).splitlines()[-1]
    assert told == "tonight so far: nothing was done: no worker 20 min"
    night = json.loads(status(school, "--json"))["night"]
    assert [one["reason"] for one in night["aside"]] == ["no_worker"]
    with Ledger(school.ledger_file, clock=lambda: clock) as ledger:
        claim = ledger.claim(run, "worker")
        assert claim
        clock += 600
        ledger.interrupt(claim, "paused", "paused by its owner")
    told = status(school).splitlines()[-2:]
    assert told[0].startswith("tonight so far: worked 10 min, stepped aside 1 time (paused 10 min)")
    assert told[1] == "run 1 goes on; it stopped last: paused"
    night = json.loads(status(school, "--json"))["night"]
    assert round(night["worked_s"]) == 600 and night["aside"][0]["reason"] == "paused"
