"""Since when the owner has touched nothing: Linux and the like, whatever desktop it is."""

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
    """Asks the desktop by the first way that answers, and the terminals always.

    The smaller value counts: somebody who types by SSH is there as well. Keeps its connections.
    """

    def __init__(self, session: BusClient, system: BusClient) -> None:
        self._session = session
        self._system = system
        self._wayland = Reconnecting(_open_wayland)
        self._display = Reconnecting(x11.open_display)

    def read(self) -> Signal[float]:
        """Seconds since the last input."""
        people, remark = self._people()
        others = [who for who in people or [] if who.graphical and who.active and not _ours(who)]
        found = [self._desktop(people, remark), *read_terminals()]
        found += [by_hint(other, time.time()) for other in others]
        return smallest(found, uptime_s())

    def _people(self) -> tuple[list[LogindSession] | None, str]:
        try:
            return logind.sessions(self._system), ""
        except SourceError as error:
            return None, str(error)

    def _desktop(self, people: list[LogindSession] | None, remark: str) -> Signal[float]:
        """The desktop's word; where there is no desktop, a signal whose source says so."""
        ways: dict[str, Callable[[], float]] = {
            "Mutter": self._by_mutter,
            "Wayland ext-idle-notify": self._by_wayland,
            "X11": self._by_x11,
            "ScreenSaver": self._by_screen_saver,
        }
        refusals, silent = [], False
        for source, way in ways.items():
            try:
                return Signal(way(), source)
            except SourceError as error:
                refusals.append(str(error))
                on_bus = source in ("Mutter", "ScreenSaver")
                silent = silent or (on_bus and not isinstance(error, AbsentError))
        ours = [by_hint(who, time.time()) for who in people or [] if who.graphical and _ours(who)]
        if ours:
            told = smallest(ours, uptime_s())
            if told.value is not None:
                return told
            refusals.append(told.remark)
        elif not silent and not _desktop_expected(people):
            return Signal(uptime_s(), NO_DESKTOP)
        return unknown("desktop", "; ".join([*refusals, remark] if remark else refusals))

    def _by_mutter(self) -> float:
        return float(self._session.call(MUTTER, "GetIdletime", "t")[0]) / 1000

    def _by_wayland(self) -> float:
        return self._wayland.ask(lambda notifier: notifier.idle_s())

    def _by_x11(self) -> float:
        return self._display.ask(lambda display: display.idle_s())

    def _by_screen_saver(self) -> float:
        # KDE's answer is in milliseconds (KIdleTime::idleTime), and on Wayland always 0.
        if wayland.is_there():
            raise SourceError("KDE's ScreenSaver knows no idle time on Wayland")
        return float(self._session.call(SCREEN_SAVER, "GetSessionIdleTime", "u")[0]) / 1000


def by_hint(session: LogindSession, now: float) -> Signal[float]:
    """What logind was told of a desktop session. A desktop tells it some minutes late, or never.

    Without a hint it may have been used at any time since the last one.
    """
    if session.idle and session.idle_since:
        return Signal(max(now - session.idle_since, 0.0), f"logind, session of {session.user}")
    if session.idle_since:
        return Signal(0.0, f"logind, session of {session.user}")
    return unknown(
        "logind", f"the desktop of {session.user} does not tell logind whether it is idle"
    )


def _ours(session: LogindSession) -> bool:
    return session.uid == own_uid()


def _open_wayland() -> wayland.IdleNotifier:
    path = wayland.socket_path()
    if path is None:
        raise SourceError("no Wayland socket")
    return wayland.IdleNotifier(path)


def _desktop_expected(people: list[LogindSession] | None) -> bool:
    """Whether there may be a desktop that does not answer: its socket, or what logind does not deny."""
    named = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    return bool(named or people is None) and bool(x11.displays() or wayland.is_there())
