"""What was decided, now and before."""

from __future__ import annotations

from pathlib import Path

from nightschool.ledger.ledger import Ledger


def _decisions(ledger: Ledger) -> list[tuple[float, int | None, bool, str, str]]:
    return [(one.at, one.run, one.allowed, one.reason, one.detail) for one in ledger.decisions(10)]


def test_a_decision_is_kept_only_where_it_differs_from_the_last(tmp_path: Path) -> None:
    now = 100.0
    with Ledger(tmp_path / "ledger.db", lambda: now) as ledger:
        ledger.decide(1, True, "in_window", "until 07:00")
        now = 101.0
        ledger.decide(1, True, "in_window", "until 07:00")
        now = 102.0
        ledger.decide(1, False, "owner_active", "idle for 0 s")
        now = 103.0
        ledger.decide(2, False, "owner_active", "idle for 1 s")
        assert _decisions(ledger) == [
            (103.0, 2, False, "owner_active", "idle for 1 s"),
            (102.0, 1, False, "owner_active", "idle for 0 s"),
            (100.0, 1, True, "in_window", "until 07:00"),
        ]
        assert [one.at for one in ledger.decisions(1)] == [103.0]
        assert ledger.control().decision_reason == "owner_active"


def test_a_worker_that_takes_over_knows_nothing_yet(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db", lambda: 5.0) as ledger:
        ledger.decide(1, True, "in_window")
        ledger.take_over()
        assert not ledger.control().run_allowed
        assert _decisions(ledger)[0] == (5.0, None, False, "no_worker", "")


def test_a_ledger_tells_when_another_connection_changed_it(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    with Ledger(file) as one, Ledger(file) as other:
        before = one.version()
        assert one.version() == before
        one.pause(None)
        assert one.version() == before
        other.resume()
        assert one.version() != before
