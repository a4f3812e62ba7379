from __future__ import annotations

from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import EventKind, StageName
from tests.ledger.claims import add, claimed


def test_the_log_holds_what_happened(ledger: Ledger) -> None:
    run = add(ledger)
    ledger.event(run, StageName.PREP, EventKind.WARNING, "警告: 1 note skipped")
    ledger.finish(claimed(ledger, run), {})
    events = ledger.events(run)
    assert [(event.kind, event.message) for event in events] == [
        (EventKind.STATE, "run 1 queued (goal: compare)"),
        (EventKind.WARNING, "警告: 1 note skipped"),
        (EventKind.STATE, "prep done"),
    ]
    assert ledger.events(run, after=events[-1].id) == []
