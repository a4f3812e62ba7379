"""The bar that shows how far a run is."""

from __future__ import annotations

import io
from dataclasses import replace

from nightschool.cli.follow import Follower, event_line
from nightschool.config.settings_file import load
from nightschool.config.terminal_console import TerminalConsole
from nightschool.jobs.requests import request_run
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from tests.conftest import MakeSchool


def test_each_stage_counts_its_own_steps(make_school: MakeSchool) -> None:
    school = make_school()
    console = TerminalConsole(file=io.StringIO(), force_terminal=True, width=100)
    with Ledger(school.ledger_file) as ledger:
        run, _ = request_run(ledger, school, load(school.settings_file), Timing.NOW, new=False)
        with Follower(school, run.id, console) as follower:
            [bar] = follower._bar.tasks
            claim = ledger.claim(run.id, "a worker")
            assert claim
            ledger.progress(claim, 3, 9, None, None)
            follower.poll()
            assert (bar.completed, bar.total) == (3, 9)
            ledger.finish(claim, {})
            follower.poll()
            assert bar.total is None
            assert ledger.claim(run.id, "a worker")
            follower.poll()
            assert (bar.completed, bar.total) == (0, None)


def test_a_log_line_names_its_stage_once(make_school: MakeSchool) -> None:
    school = make_school()
    with Ledger(school.ledger_file) as ledger:
        request_run(ledger, school, load(school.settings_file), Timing.NOW, new=False)
        event = replace(ledger.events(1)[0], stage=StageName.TRAIN)
    starts = str(event_line(replace(event, message="train starts")))
    stops = str(event_line(replace(event, message="train: outside window")))
    assert stops.count("train: ") == 1
    notes = str(event_line(replace(event, message="training notes = 133 own (train.roughen)")))
    assert "train: " not in starts and "train starts" in starts
    assert "train: training notes = 133 own" in notes
