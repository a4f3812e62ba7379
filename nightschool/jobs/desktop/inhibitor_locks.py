"""logind's inhibitor locks (org.freedesktop.login1(5), systemd's INHIBITOR_LOCKS)."""

from __future__ import annotations

import os
import threading
from typing import Literal

from jeepney import DBusAddress

from nightschool.jobs.desktop.dbus import BusClient

MANAGER = DBusAddress(
    "/org/freedesktop/login1",
    bus_name="org.freedesktop.login1",
    interface="org.freedesktop.login1.Manager",
)


class InhibitorLock:
    """A file descriptor; the lock ends when it is closed or this process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._closing = threading.Lock()
        os.set_inheritable(descriptor, False)  # a child that outlives us must not keep the lock

    def release(self) -> None:
        """End the lock; may be called from any thread, and repeatedly."""
        with self._closing:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


def inhibit(
    system_bus: BusClient,
    what: Literal["sleep", "idle"],
    why: str,
    mode: Literal["block", "delay"],
) -> InhibitorLock:
    """Take a lock through a patient client; raises SourceError if logind is absent or refuses."""
    arguments = (what, "nightschool", why, mode)
    [descriptor] = system_bus.call(MANAGER, "Inhibit", "h", "ssss", *arguments)
    return InhibitorLock(descriptor.to_raw_fd())
