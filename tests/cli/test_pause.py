"""`pause`, `resume`."""

from __future__ import annotations

import json

import pytest

from nightschool.ledger.ledger import Ledger
from tests.cli.conftest import invoke
from tests.conftest import MakeSchool


def test_status_and_why_show_a_pause_until_it_ends(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run", "--now", "--detach")
    assert "until" in invoke(school, "pause", "--for", "2h").output
    status = json.loads(invoke(school, "status", "--json").output)
    assert status["runs"][0]["state"] == "paused"
    assert json.loads(invoke(school, "why", "--json").output)["reason"] == "paused"
    assert "resumed" in invoke(school, "resume").output
    why = json.loads(invoke(school, "why", "--json").output)
    status = json.loads(invoke(school, "status", "--json").output)
    assert why["reason"] == status["decision"]["reason"] == "no_worker"


@pytest.mark.parametrize("time", ["0s", "99999999d", "9" * 5000 + "d"])
def test_a_pause_without_length_or_too_long_is_refused(make_school: MakeSchool, time: str) -> None:
    school = make_school()
    done = invoke(school, "pause", "--for", time)
    assert done.exit_code, done.output
    with Ledger(school.ledger_file) as ledger:
        assert not ledger.control().paused
