"""logind's inhibitor locks (org.freedesktop.login1(5), systemd's INHIBITOR_LOCKS)."""

from __future__ import annotations

import os
import threading
from typing import Literal

from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import DBusConnection

from nightschool.jobs.desktop.dbus import BusError, ask

MANAGER = DBusAddress(
    "/org/freedesktop/login1",
    bus_name="org.freedesktop.login1",
    interface="org.freedesktop.login1.Manager",
)


class Lock:
    """An inhibitor lock: a file descriptor, given back when it or its process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._once = threading.Lock()
        os.set_inheritable(descriptor, False)  # a child that outlives us must not keep it

    def release(self) -> None:
        """Give it back; from any thread, and as often as you like."""
        with self._once:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


def inhibit(
    connection: DBusConnection,
    what: Literal["sleep", "idle"],
    why: str,
    mode: Literal["block", "delay"],
) -> Lock:
    """Take a lock; raises BusError where logind is not there or refuses."""
    message = new_method_call(MANAGER, "Inhibit", "ssss", (what, "nightschool", why, mode))
    try:
        [descriptor] = ask(connection, message)
    except BusError as error:
        raise BusError(f"logind: {error}") from None
    return Lock(descriptor.to_raw_fd())
