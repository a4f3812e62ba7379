"""A system that announces no sleep."""

from __future__ import annotations

from nightschool.jobs.signals.suspend import SuspendWatch
from nightschool.jobs.signals.suspend_source import NoAnnouncements


def test_system_without_announcements_has_a_remark(watches: list[SuspendWatch]) -> None:
    watches.append(SuspendWatch(source=NoAnnouncements()))
    signal = watches[0].signal()
    assert (signal.value, signal.source) == (False, "none") and "clocks" in signal.remark
