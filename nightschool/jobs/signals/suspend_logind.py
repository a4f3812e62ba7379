"""logind's PrepareForSleep, with a delay lock that makes logind wait until we are ready.

Source: org.freedesktop.login1(5). logind waits for at most InhibitDelayMaxSec, 5 s by default.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from jeepney import Message

from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.desktop.inhibitor_locks import MANAGER, InhibitorLock, inhibit
from nightschool.jobs.desktop.source_errors import AbsentError, SourceError

# A sleep can fail without a signal, so an announced one is confirmed this often.
CONFIRM_S = 60.0


class LogindSuspend:
    """See `SuspendSource`."""

    name = "logind"

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.remark = ""
        self._lock: InhibitorLock | None = None
        self._bus: BusClient | None = None

    def watch(self, report: Callable[[bool], None], closed: threading.Event) -> None:
        with BusClient("system", patient=True) as bus:
            try:
                self.delay_s = bus.get(MANAGER, "InhibitDelayMaxUSec", "t") / 1e6
            except SourceError as error:
                raise AbsentError(str(error)) from None
            self._bus = bus
            try:
                with bus.subscribe(MANAGER, "PrepareForSleep") as queue:
                    self._follow(bus, queue, report, closed)
            except SourceError as error:
                raise SourceError(f"logind was lost: {error}") from None
            finally:
                self._bus = None
                self.allow_sleep()

    def allow_sleep(self) -> None:
        lock = self._lock
        if lock:
            lock.release()

    def stop_waiting(self) -> None:
        bus = self._bus
        if bus:
            bus.interrupt()

    def _follow(
        self,
        bus: BusClient,
        queue: deque[Message],
        report: Callable[[bool], None],
        closed: threading.Event,
    ) -> None:
        suspending = _is_preparing(bus)
        while not closed.is_set():
            if not suspending:
                self._take_lock(bus)
            report(suspending)
            message = bus.wait(queue, CONFIRM_S if suspending else None)
            suspending = bool(message.body[0]) if message else _is_preparing(bus)

    def _take_lock(self, bus: BusClient) -> None:
        self.allow_sleep()
        try:
            self._lock = inhibit(bus, "sleep", "ends training before a sleep", "delay")
            self.remark = ""
        except SourceError as error:
            self.remark = f"a sleep does not wait for training to end ({error})"


def _is_preparing(bus: BusClient) -> bool:
    return bool(bus.get(MANAGER, "PreparingForSleep", "b"))
