from __future__ import annotations

from nightschool.ledger.ledger import Ledger
from tests.ledger.claims import add


def test_rollback_returns_to_the_promotion_before(ledger: Ledger) -> None:
    first, second = add(ledger), add(ledger)
    ledger.promote(first)
    ledger.promote(second)
    assert ledger.promotions() == [first, second]
    assert ledger.rollback() == first
    assert ledger.rollback() is None


def test_promoting_the_champion_again_changes_nothing(ledger: Ledger) -> None:
    run = add(ledger)
    ledger.promote(run)
    ledger.promote(run)
    assert ledger.promotions() == [run]
    assert [event.message for event in ledger.events(run)][1:] == ["run 1 promoted by you"]
