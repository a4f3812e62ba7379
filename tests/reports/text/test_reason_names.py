"""Every reason has a short name."""

from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.reports.text.reason_names import REASON_NAMES, reason_name
from nightschool.stats.terms import Waiting


def test_every_reason_has_a_name_of_at_most_twenty_letters() -> None:
    assert set(REASON_NAMES) == {*Outcome, *Reason, *Waiting}
    assert all(0 < len(name) <= 20 and "_" not in name for name in REASON_NAMES.values())
    assert reason_name(Reason.OWNER_ACTIVE) == "computer in use"
