"""Before and after a sleep, as a logind on a private bus announces them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from nightschool.jobs.desktop import suspend
from nightschool.jobs.desktop.suspend import NeverTold, SuspendWatch
from nightschool.jobs.desktop.suspend_logind import LogindSource
from nightschool.jobs.desktop.suspend_windows import WindowsSource, suspending
from tests.jobs.bus import FakeLogind, PrivateBus, needs_bus, until

pytestmark = pytest.mark.usefixtures("no_bus")


class Listener:
    def __init__(self) -> None:
        self.heard: list[bool] = []

    def __call__(self, asleep: bool) -> None:
        self.heard.append(asleep)


@pytest.fixture
def watches() -> Iterator[list[SuspendWatch]]:
    started: list[SuspendWatch] = []
    yield started
    for watch in started:
        watch.close()


@pytest.fixture
def logind(system_bus: PrivateBus) -> FakeLogind:
    return FakeLogind(system_bus)


def value(watch: SuspendWatch) -> bool | None:
    return watch.signal().value


@needs_bus
def test_a_sleep_waits_until_the_training_is_gone(
    logind: FakeLogind, watches: list[SuspendWatch]
) -> None:
    listener = Listener()
    watch = SuspendWatch(listener, LogindSource())
    watches.append(watch)
    assert watch.signal().value is False and watch.signal().source == "logind"
    assert watch.delay_s == 7.0
    [lock] = logind.held()
    assert (lock.what, lock.who, lock.mode) == ("sleep", "nightschool", "delay")
    watch.ready()  # nothing was announced: it stays ready for the next time
    assert lock.held
    for nights in (1, 2):
        logind.prepare_for_sleep(True)
        until(lambda: value(watch) is True)
        [lock] = logind.held()
        watch.ready()
        until(lambda lock=lock: not lock.held)
        logind.prepare_for_sleep(False)
        until(lambda: value(watch) is False)
        assert len(logind.held()) == 1, "after waking it holds the next sleep up again"
        assert listener.heard == [True, False] * nights


@needs_bus
def test_a_listener_can_let_the_computer_sleep_at_once(
    logind: FakeLogind, watches: list[SuspendWatch]
) -> None:
    watch: SuspendWatch

    def nothing_trains(asleep: bool) -> None:
        watch.ready()

    watch = SuspendWatch(nothing_trains, LogindSource())
    watches.append(watch)
    logind.prepare_for_sleep(True)
    until(lambda: not logind.held())
    assert value(watch) is True


@needs_bus
def test_a_listener_that_fails_does_not_end_the_watch(
    logind: FakeLogind, watches: list[SuspendWatch], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(asleep: bool) -> None:
        raise RuntimeError("no ledger")

    watches.append(SuspendWatch(fails, LogindSource()))
    logind.prepare_for_sleep(True)
    until(lambda: value(watches[0]) is True and "no ledger" in caplog.text)
    logind.prepare_for_sleep(False)
    until(lambda: value(watches[0]) is False)


@needs_bus
def test_a_watch_that_starts_while_the_computer_falls_asleep_knows_it(
    system_bus: PrivateBus, watches: list[SuspendWatch]
) -> None:
    logind = FakeLogind(system_bus, preparing=True)
    watches.append(SuspendWatch(source=LogindSource()))
    assert value(watches[0]) is True and logind.locks == []


@needs_bus
def test_a_sleep_that_failed_without_a_word_is_forgotten(
    logind: FakeLogind, watches: list[SuspendWatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nightschool.jobs.desktop.suspend_logind.ASK_AGAIN_S", 0.02)
    watches.append(SuspendWatch(source=LogindSource()))
    logind.prepare_for_sleep(True)
    until(lambda: value(watches[0]) is True)
    logind.preparing = False
    until(lambda: value(watches[0]) is False and len(logind.held()) == 1)


@needs_bus
def test_a_refused_lock_is_remarked_and_the_word_still_comes(
    system_bus: PrivateBus, watches: list[SuspendWatch]
) -> None:
    logind = FakeLogind(system_bus, refuses=("sleep",))
    watches.append(SuspendWatch(source=LogindSource()))
    assert "does not wait for the training to end (logind: Permission denied)" in (
        watches[0].signal().remark
    )
    logind.prepare_for_sleep(True)
    until(lambda: value(watches[0]) is True)


@needs_bus
def test_closing_gives_the_lock_back_and_ends_the_thread(
    logind: FakeLogind,
) -> None:
    before = threading.active_count()
    watch = SuspendWatch(source=LogindSource())
    watch.close()
    assert threading.active_count() == before
    until(lambda: not logind.held())  # the bus may still have its own copy of the descriptor


@needs_bus
def test_a_bus_that_dies_is_unknown_until_it_is_back(
    system_bus: PrivateBus, watches: list[SuspendWatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspend, "RETRY_S", 0.02)
    FakeLogind(system_bus)
    listener = Listener()
    watch = SuspendWatch(listener, LogindSource())
    watches.append(watch)
    system_bus.stop()
    until(lambda: value(watch) is None and "no system bus" in watch.signal().remark)
    system_bus.start()
    logind = FakeLogind(system_bus)
    until(lambda: value(watch) is False and len(logind.held()) == 1)
    assert listener.heard == []


@needs_bus
def test_what_was_announced_counts_no_longer_once_the_bus_is_lost(
    logind: FakeLogind, system_bus: PrivateBus, watches: list[SuspendWatch]
) -> None:
    listener = Listener()
    watches.append(SuspendWatch(listener, LogindSource()))
    logind.prepare_for_sleep(True)
    until(lambda: listener.heard == [True])
    system_bus.stop()
    until(lambda: listener.heard == [True, False])
    assert value(watches[0]) is None
    system_bus.start()


def test_without_a_system_bus_nothing_is_announced(watches: list[SuspendWatch]) -> None:
    watches.append(SuspendWatch(source=LogindSource()))
    signal = watches[0].signal()
    assert signal.value is False and signal.remark.startswith("no system bus (No such file")
    assert watches[0].delay_s == 0


@needs_bus
def test_a_bus_without_logind_announces_nothing(
    system_bus: PrivateBus, watches: list[SuspendWatch]
) -> None:
    watches.append(SuspendWatch(source=LogindSource()))
    signal = watches[0].signal()
    assert signal.value is False and signal.remark.startswith("logind: ")


def test_a_system_that_is_not_asked_says_so(watches: list[SuspendWatch]) -> None:
    watches.append(SuspendWatch(source=NeverTold()))
    signal = watches[0].signal()
    assert (signal.value, signal.source) == (False, "none") and "clocks" in signal.remark


# --- Windows ------------------------------------------------------------------------------------


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
def test_windows_power_events_are_told_apart(event: int, expected: bool | None) -> None:
    assert suspending(event) is expected


class FakeWindows(WindowsSource):
    """Registers nothing; a test calls `on_event` as Windows does."""

    def watch(self, tell: object, closed: threading.Event) -> None:
        assert callable(tell)
        self._tell = tell
        tell(False)
        closed.wait()


def test_windows_waits_in_its_callback_until_the_training_is_gone(
    watches: list[SuspendWatch],
) -> None:
    source = FakeWindows()
    source.delay_s = 60.0
    watch = SuspendWatch(source=source)
    watches.append(watch)
    for _ in range(2):
        windows = threading.Thread(target=source.on_event, args=(0x4,))
        windows.start()
        until(lambda: value(watch) is True)
        windows.join(timeout=0.05)
        assert windows.is_alive()
        watch.ready()
        windows.join(timeout=5)
        assert not windows.is_alive()
        source.on_event(0x12)
        assert value(watch) is False


def test_windows_goes_on_when_nobody_is_ready(watches: list[SuspendWatch]) -> None:
    source = FakeWindows()
    source.delay_s = 0.01
    watches.append(SuspendWatch(source=source))
    source.on_event(0x4)
    assert value(watches[0]) is True
