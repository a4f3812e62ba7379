"""`log`."""

from __future__ import annotations

import json

import pytest

from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import EventKind, StageName, Timing
from tests.cli.conftest import invoke
from tests.conftest import MakeSchool


@pytest.fixture
def school(make_school: MakeSchool) -> School:
    """A school whose run has 251 lines."""
    school = make_school()
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT).id
        for number in range(250):
            ledger.event(run, StageName.TRAIN, EventKind.PROGRESS, f"line {number}")
    return school


def test_the_newest_lines_are_shown_and_the_others_counted(school: School) -> None:
    lines = invoke(school, "log").output.splitlines()
    assert lines[0] == "51 earlier lines: `nightschool log 1 --all`"
    assert len(lines) == 201 and lines[1].endswith("line 50") and lines[-1].endswith("line 249")
    assert len(invoke(school, "log", "1", "--all").output.splitlines()) == 251


@pytest.mark.parametrize(("options", "count"), [((), 200), (("--all",), 251)])
def test_json_has_the_same_lines(school: School, options: tuple[str, ...], count: int) -> None:
    events = [
        json.loads(line) for line in invoke(school, "log", "--json", *options).output.splitlines()
    ]
    assert len(events) == count and events[-1]["message"] == "line 249"
