"""Sleep and wake-up, announced by a logind on a private bus."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from nightschool.jobs.signals import suspend
from nightschool.jobs.signals.suspend import SuspendWatch
from nightschool.jobs.signals.suspend_logind import LogindSuspend
from tests.jobs.bus import FakeLock, FakeLogind, PrivateBus, needs_bus, until

pytestmark = pytest.mark.usefixtures("no_bus")


class Listener:
    def __init__(self) -> None:
        self.reports: list[bool] = []

    def __call__(self, suspending: bool) -> None:
        self.reports.append(suspending)


@pytest.fixture
def logind(system_bus: PrivateBus) -> FakeLogind:
    return FakeLogind(system_bus)


def released(lock: FakeLock) -> bool:
    return not lock.held


def value(watch: SuspendWatch) -> bool | None:
    return watch.signal().value


@needs_bus
def test_sleep_waits_until_the_watch_is_ready(
    logind: FakeLogind, watches: list[SuspendWatch]
) -> None:
    listener = Listener()
    watch = SuspendWatch(listener, LogindSuspend())
    watches.append(watch)
    assert watch.signal().value is False and watch.signal().source == "logind"
    assert watch.delay_s == 7.0
    [lock] = logind.held()
    assert (lock.what, lock.who, lock.mode) == ("sleep", "nightschool", "delay")
    watch.ready()  # has no effect: no sleep was announced
    assert lock.held
    for nights in (1, 2):
        logind.prepare_for_sleep(True)
        until(lambda: value(watch) is True)
        [announced] = logind.held()
        watch.ready()
        until(partial(released, announced))
        logind.prepare_for_sleep(False)
        until(lambda: value(watch) is False)
        assert len(logind.held()) == 1, "the lock is taken again after waking"
        assert listener.reports == [True, False] * nights


@needs_bus
def test_listener_can_allow_the_sleep_immediately(
    logind: FakeLogind, watches: list[SuspendWatch]
) -> None:
    watch: SuspendWatch

    def nothing_trains(suspending: bool) -> None:
        watch.ready()

    watch = SuspendWatch(nothing_trains, LogindSuspend())
    watches.append(watch)
    logind.prepare_for_sleep(True)
    until(lambda: not logind.held())
    assert value(watch) is True


@needs_bus
def test_failing_listener_does_not_end_the_watch(
    logind: FakeLogind, watches: list[SuspendWatch], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(suspending: bool) -> None:
        raise RuntimeError("no ledger")

    watches.append(SuspendWatch(fails, LogindSuspend()))
    logind.prepare_for_sleep(True)
    until(lambda: value(watches[0]) is True and "no ledger" in caplog.text)
    logind.prepare_for_sleep(False)
    until(lambda: value(watches[0]) is False)


@needs_bus
def test_watch_started_during_a_sleep_reports_it(
    system_bus: PrivateBus, watches: list[SuspendWatch]
) -> None:
    logind = FakeLogind(system_bus, preparing=True)
    watches.append(SuspendWatch(source=LogindSuspend()))
    assert value(watches[0]) is True and logind.locks == []


@needs_bus
def test_sleep_that_failed_without_a_signal_is_cleared(
    logind: FakeLogind, watches: list[SuspendWatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nightschool.jobs.signals.suspend_logind.CONFIRM_S", 0.02)
    watches.append(SuspendWatch(source=LogindSuspend()))
    logind.prepare_for_sleep(True)
    until(lambda: value(watches[0]) is True)
    logind.preparing = False
    until(lambda: value(watches[0]) is False and len(logind.held()) == 1)


@needs_bus
def test_refused_lock_is_a_remark_and_sleeps_are_still_reported(
    system_bus: PrivateBus, watches: list[SuspendWatch]
) -> None:
    logind = FakeLogind(system_bus, refuses=("sleep",))
    watches.append(SuspendWatch(source=LogindSuspend()))
    assert (
        "does not wait for training to end (org.freedesktop.login1 refused Inhibit: AccessDenied (Perm"
        in (watches[0].signal().remark)
    )
    logind.prepare_for_sleep(True)
    until(lambda: value(watches[0]) is True)


@needs_bus
def test_close_releases_the_lock_and_ends_the_thread(
    logind: FakeLogind,
) -> None:
    before = threading.active_count()
    watch = SuspendWatch(source=LogindSuspend())
    watch.close()
    assert threading.active_count() == before
    until(lambda: not logind.held())  # the bus may still have its own copy of the descriptor


@needs_bus
def test_signal_is_unknown_while_the_bus_is_lost(
    system_bus: PrivateBus, watches: list[SuspendWatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspend, "RETRY_S", 0.02)
    FakeLogind(system_bus)
    listener = Listener()
    watch = SuspendWatch(listener, LogindSuspend())
    watches.append(watch)
    system_bus.stop()
    until(lambda: value(watch) is None and "the system bus is unreachable" in watch.signal().remark)
    system_bus.start()
    logind = FakeLogind(system_bus)
    until(lambda: value(watch) is False and len(logind.held()) == 1)
    assert listener.reports == []


@needs_bus
def test_announced_sleep_is_cleared_when_the_bus_is_lost(
    logind: FakeLogind, system_bus: PrivateBus, watches: list[SuspendWatch]
) -> None:
    listener = Listener()
    watches.append(SuspendWatch(listener, LogindSuspend()))
    logind.prepare_for_sleep(True)
    until(lambda: listener.reports == [True])
    system_bus.stop()
    until(lambda: listener.reports == [True, False])
    assert value(watches[0]) is None
    system_bus.start()


def test_no_sleep_is_announced_without_a_system_bus(watches: list[SuspendWatch]) -> None:
    watches.append(SuspendWatch(source=LogindSuspend()))
    signal = watches[0].signal()
    assert signal.value is False and signal.remark.startswith(
        "the system bus is unreachable (No such file"
    )
    assert watches[0].delay_s == 0


@needs_bus
def test_no_sleep_is_announced_without_logind(
    system_bus: PrivateBus, watches: list[SuspendWatch]
) -> None:
    watches.append(SuspendWatch(source=LogindSuspend()))
    signal = watches[0].signal()
    assert signal.value is False and signal.remark == "org.freedesktop.login1 is not running"
