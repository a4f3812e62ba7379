"""logind's sessions, inhibitors of idleness, and lid.

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
    """A person's session. Times are seconds of CLOCK_REALTIME, 0 if logind has none."""

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
    """Sessions of people, without greeters, services and closing ones. Raises SourceError."""
    people = []
    for _, uid, user, _, path in system.call(MANAGER, "ListSessions", "a(susso)")[0]:
        address = DBusAddress(path, MANAGER.bus_name, "org.freedesktop.login1.Session")
        try:
            properties = system.get_all(address)
        except RefusedError:  # the session ended in the meantime
            continue
        session = person_session(uid, user, properties)
        if session is not None:
            people.append(session)
    return people


def person_session(uid: int, user: str, properties: dict[str, Any]) -> LogindSession | None:
    """A session from its properties; None if it is not a person's."""
    if (
        properties.get("Class") not in ("user", "user-early", "user-light")
        or properties.get("State") == "closing"
    ):
        return None
    return LogindSession(
        uid=uid,
        user=user,
        remote=properties.get("Remote") is True,
        service=str(properties.get("Service", "")),
        graphical=properties.get("Type") in ("x11", "wayland", "mir"),
        active=properties.get("Active") is True,
        idle=properties.get("IdleHint") is True,
        idle_since=float(properties.get("IdleSinceHint") or 0) / 1e6,
    )


def idle_inhibitors(system: BusClient) -> list[tuple[str, int]]:
    """Name and process id of the programs that block idleness. Raises SourceError.

    Locks on sleep alone do not count: an upgrade or a download takes one with nobody present.
    """
    listed = system.call(MANAGER, "ListInhibitors", "a(ssssuu)")[0]
    return [
        (who, pid)
        for what, who, _, mode, _, pid in listed
        if mode == "block" and "idle" in what.split(":")
    ]


def lid_closed(system: BusClient) -> bool:
    """Whether a lid is closed; also False without a lid. Raises SourceError."""
    return bool(system.get(MANAGER, "LidClosed", "b"))
