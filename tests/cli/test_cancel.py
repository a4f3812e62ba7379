"""`cancel`, `retry`."""

from __future__ import annotations

from nightschool.ledger.ledger import Ledger
from tests.cli.conftest import invoke
from tests.conftest import MakeSchool


def test_a_cancelled_run_can_be_retried(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run")
    assert "cancelled" in invoke(school, "cancel", "1").output
    with Ledger(school.ledger_file) as ledger:
        assert ledger.run(1).state == "cancelled"
    assert "queued again" in invoke(school, "retry", "1").output
