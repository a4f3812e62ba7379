"""What logind knows: who is logged in, whether they are idle, who inhibits sleep, the lid.

Source: org.freedesktop.login1(5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jeepney import DBusAddress

from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.desktop.inhibitor_locks import MANAGER
from nightschool.jobs.desktop.source_errors import RefusedError


@dataclass(frozen=True, slots=True)
class LogindSession:
    """A login of a person. Times are seconds of CLOCK_REALTIME, 0 where it was never told."""

    uid: int
    user: str
    remote: bool
    service: str
    graphical: bool
    active: bool
    idle: bool
    idle_since: float

    def kind(self) -> str:
        """local, rdp or ssh."""
        if "xrdp" in self.service or "remote-desktop" in self.service:
            return "rdp"
        return "ssh" if self.remote else "local"


def sessions(system: BusClient) -> list[LogindSession]:
    """The sessions of people, without greeters, services and those that close. Raises SourceError."""
    found = []
    for _, uid, user, _, path in system.call(MANAGER, "ListSessions", "a(susso)")[0]:
        address = DBusAddress(path, MANAGER.bus_name, "org.freedesktop.login1.Session")
        try:
            properties = system.get_all(address)
        except RefusedError:  # the session ended in the meantime
            continue
        session = decoded(uid, user, properties)
        if session is not None:
            found.append(session)
    return found


def decoded(uid: int, user: str, told: dict[str, Any]) -> LogindSession | None:
    """A person's session from its properties; None for one that is none."""
    if (
        told.get("Class") not in ("user", "user-early", "user-light")
        or told.get("State") == "closing"
    ):
        return None
    return LogindSession(
        uid=uid,
        user=user,
        remote=told.get("Remote") is True,
        service=str(told.get("Service", "")),
        graphical=told.get("Type") in ("x11", "wayland", "mir"),
        active=told.get("Active") is True,
        idle=told.get("IdleHint") is True,
        idle_since=float(told.get("IdleSinceHint") or 0) / 1e6,
    )


def idle_inhibitors(system: BusClient) -> list[tuple[str, int]]:
    """Who blocks that the session becomes idle: name and process id. Raises SourceError.

    Locks on sleep alone are not among them: an upgrade and a download hold one with nobody there.
    """
    listed = system.call(MANAGER, "ListInhibitors", "a(ssssuu)")[0]
    return [
        (who, pid)
        for what, who, _, mode, _, pid in listed
        if mode == "block" and "idle" in what.split(":")
    ]


def lid_closed(system: BusClient) -> bool:
    """Whether a lid is closed; False, too, where there is none. Raises SourceError."""
    return bool(system.get(MANAGER, "LidClosed", "b"))
