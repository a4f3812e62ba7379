"""What a child process makes of each error: the ending that it sends."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, cast

import pytest

from nightschool.config.errors import (
    BaseUnavailable,
    ConfigError,
    DeviceBusy,
    LearningError,
    LedgerBusy,
    LedgerError,
    NotesError,
    NotesUnavailable,
    Stopped,
)
from nightschool.config.settings import Settings
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.stages import queries
from nightschool.stages.child_jobs import ProbeJob
from nightschool.tasks import child


class Parent:
    """Sends one job."""

    def receive_job(self) -> ProbeJob:
        return ProbeJob(root=Path(), settings=Settings())


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (Stopped(), Outcome.STOPPED, "stopped half-way"),
        (DeviceBusy("another process trains"), Reason.DEVICE_BUSY, "another process trains"),
        (NotesUnavailable("the drive is gone"), Reason.NOTES_GONE, "the drive is gone"),
        (LedgerBusy("the ledger is held"), Outcome.ERROR, "the ledger is held"),
        (LearningError("no base", "fetch it"), Outcome.FAILED, "no base: fetch it"),
        (NotesError("no notes"), Outcome.FAILED, "no notes"),
        (ConfigError("a typo"), Outcome.FAILED, "a typo"),
        (BaseUnavailable("no network"), Outcome.ERROR, "no network"),
        (LedgerError("damaged"), Outcome.ERROR, "damaged"),
        (FULL, Reason.DISK_FULL, "the disk is full or read-only"),
        (MemoryError(), Outcome.ERROR, "out of memory (MemoryError)"),
        (KeyError("a bug"), Outcome.ERROR, "unexpected KeyError: 'a bug'"),
        (OSError(errno.EIO, "Input/output error"), Outcome.ERROR, "Input/output error"),
        (RuntimeError("CUDA error: unknown error"), Outcome.ERROR, "CUDA error: unknown error"),
    ],
)
def test_error_becomes_an_ending(
    error: Exception, outcome: Outcome | Reason, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def perform(*_: object) -> None:
        raise error

    monkeypatch.setattr(queries, "perform", perform)
    ending = child._perform(cast(Any, Parent()))
    assert ending.outcome is outcome
    assert reason in ending.reason and "\n" not in ending.reason
    assert ending.result is None
