from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from nightschool.config.errors import LedgerError
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason, parse_outcome
from tests.ledger.claims import add, claimed


def test_each_stored_outcome_has_one_meaning() -> None:
    assert not set(Outcome) & set(Reason)
    for value in (*Outcome, *Reason):
        assert parse_outcome(str(value)) is value


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE attempts SET outcome = 'abducted'", "abducted"),
        ("UPDATE events SET kind = 'song'", "song"),
        ("UPDATE control SET decision_reason = 'full_moon'", "full_moon"),
        ("UPDATE runs SET state = 'dreaming'", "dreaming"),
        ("UPDATE stages SET state = 'dreaming'", "dreaming"),
    ],
)
def test_a_value_of_a_newer_version_is_an_error_that_names_it(
    ledger: Ledger, tmp_path: Path, change: str, what: str
) -> None:
    run = add(ledger)
    ledger.interrupt(claimed(ledger, run), Outcome.STOPPED, "")
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        db.execute(change)
    with pytest.raises(LedgerError, match=f"{what}.*: update nightschool"):
        ledger.run(run)
        ledger.stages(run)
        ledger.attempts_of(run)
        ledger.events(run)
        ledger.control()
