"""logind's PrepareForSleep, with a delay lock that has it wait until we are ready.

Source: org.freedesktop.login1(5). logind waits InhibitDelayMaxSec at most, 5 s where nothing else
is configured.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable

from jeepney import MatchRule, Message, message_bus
from jeepney.io.blocking import DBusConnection

from nightschool.jobs.desktop.dbus import BusError, ask, connect, read_property
from nightschool.jobs.desktop.inhibitor_locks import MANAGER, Lock, inhibit
from nightschool.jobs.desktop.suspend import LostSource, NoSource

# A sleep may fail without a word after it; so often is asked whether it is still being prepared.
ASK_AGAIN_S = 60.0

_SIGNAL = {
    "type": "signal",
    "interface": MANAGER.interface,
    "member": "PrepareForSleep",
    "path": MANAGER.object_path,
}
# The bus knows who bears logind's name; a message names its sender by number alone.
_ON_BUS = MatchRule(sender=MANAGER.bus_name, **_SIGNAL)
_HERE = MatchRule(**_SIGNAL)


class LogindSource:
    """See `suspend.Source`."""

    name = "logind"

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.remark = ""
        self._lock: Lock | None = None
        self._connection: DBusConnection | None = None

    def watch(self, tell: Callable[[bool], None], closed: threading.Event) -> None:
        heard: deque[Message] = deque()
        try:
            connection = connect("SYSTEM")
        except BusError as error:
            raise NoSource(str(error)) from None
        with connection, connection.filter(_HERE, queue=heard):
            self._connection = connection
            try:
                self._subscribe(connection)
                asleep = bool(read_property(connection, MANAGER, "PreparingForSleep"))
                while not closed.is_set():
                    if not asleep:
                        self._take_lock(connection)
                    tell(asleep)
                    asleep = self._next(connection, heard, asleep)
            except (BusError, OSError, RuntimeError) as error:
                raise LostSource(f"the system bus was lost ({error})") from None
            finally:
                self._connection = None
                self.let_sleep()

    def let_sleep(self) -> None:
        lock = self._lock
        if lock:
            lock.release()

    def wake_up(self) -> None:
        connection = self._connection
        if connection:
            with contextlib.suppress(OSError):  # the bus was faster
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _subscribe(self, connection: DBusConnection) -> None:
        ask(connection, message_bus.AddMatch(_ON_BUS))
        try:
            microseconds = read_property(connection, MANAGER, "InhibitDelayMaxUSec")
        except BusError as error:
            raise NoSource(f"logind: {error}") from None
        self.delay_s = microseconds / 1e6

    def _take_lock(self, connection: DBusConnection) -> None:
        self.let_sleep()
        try:
            self._lock = inhibit(connection, "sleep", "ends training before a sleep", "delay")
            self.remark = ""
        except BusError as error:
            self.remark = f"a sleep does not wait for the training to end ({error})"

    def _next(self, connection: DBusConnection, heard: deque[Message], asleep: bool) -> bool:
        try:
            message = connection.recv_until_filtered(heard, timeout=ASK_AGAIN_S if asleep else None)
        except TimeoutError:
            return bool(read_property(connection, MANAGER, "PreparingForSleep"))
        return bool(message.body[0])
