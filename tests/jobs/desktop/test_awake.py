"""Locks against sleep, from a logind and a desktop that grant or refuse them."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jeepney import Message

from nightschool.jobs.desktop.awake import Awake
from tests.jobs.bus import FakeLogind, FakeService, PrivateBus, needs_bus, until

pytestmark = [needs_bus, pytest.mark.usefixtures("no_bus")]


@pytest.fixture
def awake() -> Iterator[Awake]:
    held = Awake()
    yield held
    held.release()


class FakeGnome(FakeService):
    """A session manager that counts its inhibitors."""

    def __init__(self, bus: PrivateBus) -> None:
        self.cookies: set[int] = set()
        self.taken = 0
        super().__init__(
            bus,
            "org.gnome.SessionManager",
            {"Inhibit": self._inhibit, "Uninhibit": self._uninhibit},
        )

    def _inhibit(self, message: Message) -> tuple[str, tuple[Any, ...]]:
        self.taken += 1
        self.cookies.add(self.taken)
        return "u", (self.taken,)

    def _uninhibit(self, message: Message) -> tuple[str, tuple[Any, ...]]:
        self.cookies.remove(message.body[0])
        return "", ()


def test_logind_lock_is_held_until_release(system_bus: PrivateBus, awake: Awake) -> None:
    logind = FakeLogind(system_bus)
    for _ in range(3):  # as the worker does, every second
        assert awake.hold("trains run 4 until 07:00") is None
    until(lambda: awake.held_by == "logind (sleep)")
    [lock] = logind.locks
    assert (lock.what, lock.who, lock.mode) == ("sleep", "nightschool", "block")
    assert lock.why == "trains run 4 until 07:00" and lock.held
    awake.release()
    assert awake.held_by == ""
    until(lambda: not lock.held)
    awake.release()
    awake.hold("again")
    until(lambda: len(logind.held()) == 1)


def test_desktop_lock_is_taken_too(
    system_bus: PrivateBus, session_bus: PrivateBus, awake: Awake
) -> None:
    logind, gnome = FakeLogind(system_bus), FakeGnome(session_bus)
    awake.hold("trains")
    until(lambda: awake.held_by == "org.gnome.SessionManager, logind (sleep)")
    assert gnome.cookies == {1} and len(logind.held()) == 1
    awake.release()
    until(lambda: not gnome.cookies and not logind.held())


def test_idle_is_locked_if_sleep_may_not_be(system_bus: PrivateBus, awake: Awake) -> None:
    logind = FakeLogind(system_bus, refuses=("sleep",))
    awake.hold("trains")
    until(lambda: awake.held_by == "logind (idle)")
    assert [lock.mode for lock in logind.held()] == ["block"]
    assert awake.hold("trains") is None


def test_refused_locks_are_reported_once(system_bus: PrivateBus, awake: Awake) -> None:
    logind = FakeLogind(system_bus, refuses=("sleep", "idle"))
    reported: list[str] = []

    def held_by() -> str:
        reported.extend(filter(None, [awake.hold("trains")]))
        return awake.held_by

    def was_refused(times: int) -> bool:
        held_by()
        return logind.refused == 2 * times and bool(reported)

    for times in (1, 2, 3):
        until(partial(was_refused, times))
        assert awake.held_by == ""
        awake.release()
    assert len(reported) == 1
    assert reported[0].endswith(
        "neither GNOME nor KDE answers; "
        "org.freedesktop.login1 refused Inhibit: AccessDenied (Permission denied)"
    )
    logind.refuses.clear()
    until(lambda: held_by() == "logind (sleep)")
    assert len(reported) == 1


def test_missing_buses_are_reported(awake: Awake) -> None:
    reported: list[str] = []

    def is_reported() -> bool:
        text = awake.hold("trains")
        reported.extend([text] if text else [])
        return bool(reported)

    until(is_reported)
    assert (
        "may fall asleep while it trains: neither GNOME nor KDE answers; the system bus is"
        in reported[0]
    )


def test_repeated_holds_leak_nothing(
    system_bus: PrivateBus, session_bus: PrivateBus, awake: Awake
) -> None:
    logind, gnome = FakeLogind(system_bus), FakeGnome(session_bus)

    def open_after(holds: int) -> int:
        for _ in range(holds):
            awake.hold("trains")
            until(lambda: "logind" in awake.held_by)
            awake.release()
            until(lambda: not logind.held() and not gnome.cookies)
            logind.forget()
        until(lambda: threading.active_count() == threads)
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    threads = threading.active_count()
    before = open_after(1)
    assert open_after(5) == before


def test_killed_process_releases_the_lock(system_bus: PrivateBus) -> None:
    logind = FakeLogind(system_bus)
    code = (
        "import time\nfrom nightschool.jobs.desktop.awake import Awake\n"
        "awake = Awake()\nawake.hold('trains')\ntime.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        until(lambda: len(logind.held()) == 1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    until(lambda: not logind.held())


def test_child_process_does_not_keep_the_lock(
    system_bus: PrivateBus, awake: Awake, tmp_path: Path
) -> None:
    logind = FakeLogind(system_bus)
    awake.hold("trains")
    until(lambda: len(logind.held()) == 1)
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False
    )
    try:
        awake.release()
        until(lambda: not logind.held())
    finally:
        child.communicate(b"\n")
