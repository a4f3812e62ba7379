"""The desktop's variables, for a worker that systemd started before the desktop.

A user unit starts at login, before the desktop sets DISPLAY and the like. Desktops (and sway's usual
configuration) import them into systemd's user manager, from which they are read.
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
    """Keeps the variables of `environment` equal to the session's.

    Variables that this process was started with never change: a terminal's worker has the right ones.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._adopted = {name for name in NAMES if not environment.get(name)}

    def refresh(self) -> None:
        """Update the variables after a desktop started or ended. Takes milliseconds."""
        if not self._adopted or sys.platform != "linux":
            return
        imported = _imported_variables()
        for name in self._adopted:
            if name in imported:
                self._environment[name] = imported[name]
            else:
                self._environment.pop(name, None)


def _imported_variables() -> dict[str, str]:
    from jeepney import DBusAddress  # lazy: jeepney

    from nightschool.jobs.desktop.dbus import BusClient  # lazy: jeepney

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
