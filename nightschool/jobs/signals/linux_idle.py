"""The owner's idle time on Linux and similar systems, for any desktop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from jeepney import DBusAddress

from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.desktop.sockets import own_uid
from nightschool.jobs.desktop.source_errors import AbsentError, SourceError
from nightschool.jobs.signals import logind, wayland, x11
from nightschool.jobs.signals.idle import smallest
from nightschool.jobs.signals.logind import LogindSession
from nightschool.jobs.signals.polling import uptime_s
from nightschool.jobs.signals.reconnecting import Reconnecting
from nightschool.jobs.signals.signal import Signal, unknown
from nightschool.jobs.signals.terminals import read_terminals

MUTTER = DBusAddress(
    "/org/gnome/Mutter/IdleMonitor/Core",
    bus_name="org.gnome.Mutter.IdleMonitor",
    interface="org.gnome.Mutter.IdleMonitor",
)
SCREEN_SAVER = DBusAddress(
    "/ScreenSaver",
    bus_name="org.freedesktop.ScreenSaver",
    interface="org.freedesktop.ScreenSaver",
)
NO_DESKTOP = "no desktop"


class Idle:
    """The smaller idle time of the desktop, by the first method that answers, and the terminals.

    Somebody who types over SSH is present, too. Keeps its connections open.
    """

    def __init__(self, session: BusClient, system: BusClient) -> None:
        self._session = session
        self._system = system
        self._wayland = Reconnecting(_open_wayland)
        self._display = Reconnecting(x11.open_display)

    def read(self) -> Signal[float]:
        """Seconds since the last input."""
        people, remark = self._people()
        others = [
            person
            for person in people or []
            if person.graphical and person.active and not _is_own(person)
        ]
        signals = [self._desktop(people, remark), *read_terminals()]
        signals += [by_hint(other, time.time()) for other in others]
        return smallest(signals, uptime_s())

    def _people(self) -> tuple[list[LogindSession] | None, str]:
        try:
            return logind.sessions(self._system), ""
        except SourceError as error:
            return None, str(error)

    def _desktop(self, people: list[LogindSession] | None, remark: str) -> Signal[float]:
        """The desktop's idle time; without a desktop, a signal whose source says so."""
        methods: dict[str, Callable[[], float]] = {
            "Mutter": self._by_mutter,
            "Wayland ext-idle-notify": self._by_wayland,
            "X11": self._by_x11,
            "ScreenSaver": self._by_screen_saver,
        }
        problems, silent = [], False
        for source, method in methods.items():
            try:
                return Signal(method(), source)
            except SourceError as error:
                problems.append(str(error))
                on_bus = source in ("Mutter", "ScreenSaver")
                silent = silent or (on_bus and not isinstance(error, AbsentError))
        own = [
            by_hint(person, time.time())
            for person in people or []
            if person.graphical and _is_own(person)
        ]
        if own:
            hint = smallest(own, uptime_s())
            if hint.value is not None:
                return hint
            problems.append(hint.remark)
        elif not silent and not _desktop_expected(people):
            return Signal(uptime_s(), NO_DESKTOP)
        return unknown("desktop", "; ".join([*problems, remark] if remark else problems))

    def _by_mutter(self) -> float:
        return float(self._session.call(MUTTER, "GetIdletime", "t")[0]) / 1000

    def _by_wayland(self) -> float:
        return self._wayland.ask(lambda notifier: notifier.idle_s())

    def _by_x11(self) -> float:
        return self._display.ask(lambda display: display.idle_s())

    def _by_screen_saver(self) -> float:
        # KDE answers in milliseconds (KIdleTime::idleTime); on Wayland always with 0.
        if wayland.is_running():
            raise SourceError("KDE's ScreenSaver has no idle time on Wayland")
        return float(self._session.call(SCREEN_SAVER, "GetSessionIdleTime", "u")[0]) / 1000


def by_hint(session: LogindSession, now: float) -> Signal[float]:
    """The idle time of a desktop session by logind's hint, which a desktop sets minutes late or never.

    A session without the hint may have been used at any moment since the last one.
    """
    if session.idle and session.idle_since:
        return Signal(max(now - session.idle_since, 0.0), f"logind, session of {session.user}")
    if session.idle_since:
        return Signal(0.0, f"logind, session of {session.user}")
    return unknown("logind", f"the desktop of {session.user} does not report idleness to logind")


def _is_own(session: LogindSession) -> bool:
    return session.uid == own_uid()


def _open_wayland() -> wayland.IdleNotifier:
    path = wayland.socket_path()
    if path is None:
        raise SourceError("no Wayland socket")
    return wayland.IdleNotifier(path)


def _desktop_expected(people: list[LogindSession] | None) -> bool:
    """Whether a desktop may exist that does not answer: it has a socket, and logind does not rule it out."""
    named = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    return bool(named or people is None) and bool(x11.displays() or wayland.is_running())
