"""Windows' notification of a sleep; a test calls back in place of Windows."""

from __future__ import annotations

import threading

import pytest

from nightschool.jobs.signals.suspend import SuspendWatch
from nightschool.jobs.signals.suspend_windows import WindowsSuspend, is_suspending
from tests.jobs.bus import until


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (0x4, True),  # PBT_APMSUSPEND
        (0x7, False),  # PBT_APMRESUMESUSPEND
        (0x12, False),  # PBT_APMRESUMEAUTOMATIC
        (0xA, None),  # PBT_APMPOWERSTATUSCHANGE
        (0x8013, None),  # PBT_POWERSETTINGCHANGE
    ],
)
def test_power_events_before_and_after_a_sleep_are_recognised(
    event: int, expected: bool | None
) -> None:
    assert is_suspending(event) is expected


class FakeWindows(WindowsSuspend):
    """Registers nothing; a test calls `on_event` as Windows does."""

    def watch(self, report: object, closed: threading.Event) -> None:
        assert callable(report)
        self._report = report
        report(False)
        closed.wait()


def test_callback_waits_until_the_watch_is_ready(
    watches: list[SuspendWatch],
) -> None:
    source = FakeWindows()
    source.delay_s = 60.0
    watch = SuspendWatch(source=source)
    watches.append(watch)
    for _ in range(2):
        windows = threading.Thread(target=source.on_event, args=(0x4,))
        windows.start()
        until(lambda: watch.signal().value is True)
        windows.join(timeout=0.05)
        assert windows.is_alive()
        watch.ready()
        windows.join(timeout=5)
        assert not windows.is_alive()
        source.on_event(0x12)
        assert watch.signal().value is False


def test_callback_returns_after_the_delay(watches: list[SuspendWatch]) -> None:
    source = FakeWindows()
    source.delay_s = 0.01
    watches.append(SuspendWatch(source=source))
    source.on_event(0x4)
    assert watches[0].signal().value is True
