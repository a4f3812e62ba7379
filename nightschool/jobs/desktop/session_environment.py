"""What the desktop tells its session after systemd has already started the worker in it.

A user unit starts at login, before the desktop has set DISPLAY and the like. Desktops (and sway's
usual configuration) hand them to systemd's user manager, so that is where they are looked up.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

from nightschool.jobs.desktop.source_errors import SourceError

NAMES = (
    "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_CURRENT_DESKTOP", "XDG_SESSION_DESKTOP",
    "XDG_SESSION_TYPE",
)  # fmt: skip


class SessionEnvironment:
    """Keeps those variables in `environment` as the session has them.

    What this process was started with is never changed: a terminal's worker knows better.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._adopted = {name for name in NAMES if not environment.get(name)}

    def refresh(self) -> None:
        """Look again: when a desktop has come, gone or come back. Takes milliseconds."""
        if not self._adopted or sys.platform != "linux":
            return
        told = _told_to_systemd()
        for name in self._adopted:
            if name in told:
                self._environment[name] = told[name]
            else:
                self._environment.pop(name, None)


def _told_to_systemd() -> dict[str, str]:
    from jeepney import DBusAddress

    from nightschool.jobs.desktop.dbus import BusClient

    manager = DBusAddress(
        "/org/freedesktop/systemd1",
        bus_name="org.freedesktop.systemd1",
        interface="org.freedesktop.systemd1.Manager",
    )
    try:
        with BusClient("session", patient=True) as bus:
            lines: list[str] = bus.get(manager, "Environment", "as")
    except SourceError:
        return {}
    return {name: value for name, _, value in (line.partition("=") for line in lines) if value}
