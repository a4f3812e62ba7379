"""Writes to a ledger that is held by another program, or on a full disk."""

from __future__ import annotations

import time

import pytest

from nightschool.config.errors import LedgerBusy, LedgerDiskFull, LedgerError
from nightschool.tasks import persistent_writes
from nightschool.tasks.persistent_writes import DeferredWrites, write_persistently


class HeldLedger:
    """Collects writes; while it is held they fail."""

    def __init__(self) -> None:
        self.held = True
        self.written: list[int] = []

    def write(self, value: int) -> None:
        if self.held:
            raise LedgerBusy("the ledger is held")
        self.written.append(value)


def test_lasting_problem_is_logged_once_until_the_write_succeeds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    attempts_left = 3

    def write() -> None:
        nonlocal attempts_left
        attempts_left -= 1
        if attempts_left:
            raise LedgerDiskFull("the disk is full")

    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    write_persistently(write)
    assert attempts_left == 0
    assert caplog.text.count("the disk is full; retrying") == 1


def test_an_error_that_stays_is_not_tried_again() -> None:
    def write() -> None:
        raise LedgerError("an unknown state is stored")

    with pytest.raises(LedgerError, match="unknown state"):
        write_persistently(write)


def test_write_that_is_given_up_raises() -> None:
    with pytest.raises(LedgerError, match="is held"):
        write_persistently(lambda: HeldLedger().write(1), give_up=lambda: True)


def test_deferred_writes_keep_their_order(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ledger, writes = HeldLedger(), DeferredWrites()
    writes.add(lambda: ledger.write(1))
    ledger.held = False
    writes.add(lambda: ledger.write(2))
    assert ledger.written == [], "not tried again so soon"
    writes.flush()
    assert ledger.written == [1, 2]
    assert caplog.messages == ["the ledger is held; retrying"]
    monkeypatch.setattr(persistent_writes, "_DEFERRED_RETRY_S", 0.0)
    writes = DeferredWrites()
    for value in (3, 4):
        writes.add(lambda value=value: ledger.write(value))  # type: ignore[misc]
    assert ledger.written == [1, 2, 3, 4]


def test_write_that_failed_is_repeated_by_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistent_writes, "_DEFERRED_RETRY_S", 0.0)
    ledger, writes = HeldLedger(), DeferredWrites()
    writes.add(lambda: ledger.write(1))
    ledger.held = False
    writes.add(lambda: ledger.write(2))
    assert ledger.written == [1, 2]
