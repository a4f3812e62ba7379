"""Which program keeps the screen on or fills it (film, talk, call), on Linux."""

from __future__ import annotations

from collections.abc import Callable

from jeepney import DBusAddress

from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.desktop.source_errors import AbsentError, SourceError
from nightschool.jobs.signals import logind, wayland, x11
from nightschool.jobs.signals.polling import Pids
from nightschool.jobs.signals.reconnecting import Reconnecting
from nightschool.jobs.signals.signal import Signal, unknown

OWN_NAMES = ("nightschool", "wakepy")  # wakepy takes the desktops' locks under its own name
GNOME = DBusAddress(
    "/org/gnome/SessionManager",
    bus_name="org.gnome.SessionManager",
    interface="org.gnome.SessionManager",
)
KDE = DBusAddress(
    "/org/kde/Solid/PowerManagement/PolicyAgent",
    bus_name="org.kde.Solid.PowerManagement.PolicyAgent",
    interface="org.kde.Solid.PowerManagement.PolicyAgent",
)
_NAMELESS = "a program without a name"
_IDLE = 8  # GNOME: inhibit the session being marked as idle
_SCREEN = 4  # KDE: PolicyAgent::ChangeScreenSettings


class Presenting:
    """Asks every service that has inhibitors; the first that names a program wins."""

    def __init__(self, session: BusClient, system: BusClient, own_pids: Pids) -> None:
        self._session = session
        self._system = system
        self._own_pids = own_pids
        self._display = Reconnecting(x11.open_display)

    def read(self) -> Signal[str]:
        """The program's name, "" for none; unknown if a running service does not answer.

        Also unknown if a desktop exists and no service does.
        """
        methods: dict[str, Callable[[], str]] = {
            "GNOME session": self._by_gnome,
            "KDE power management": self._by_kde,
            "logind": self._by_logind,
            "X11": self._by_window,
        }
        answered, problems, silent = [], [], False
        for source, method in methods.items():
            try:
                program = method()
            except SourceError as error:
                problems.append(str(error))
                silent = silent or (source != "X11" and not isinstance(error, AbsentError))
                continue
            if program:
                return Signal(program, source)
            answered.append(source)
        if answered and not silent:
            return Signal("", ", ".join(answered))
        if not silent and not x11.displays() and not wayland.is_running():
            return Signal("", "no desktop")
        return unknown("desktop", "; ".join(problems))

    def _by_gnome(self) -> str:
        if not self._session.call(GNOME, "IsInhibited", "b", "u", _IDLE)[0]:
            return ""
        for path in self._session.call(GNOME, "GetInhibitors", "ao")[0]:
            inhibitor = DBusAddress(path, GNOME.bus_name, "org.gnome.SessionManager.Inhibitor")
            if self._session.call(inhibitor, "GetFlags", "u")[0] & _IDLE:
                program = str(self._session.call(inhibitor, "GetAppId", "s")[0])
                if not is_own(program):
                    return program or _NAMELESS
        return ""

    def _by_kde(self) -> str:
        if not self._session.call(KDE, "HasInhibition", "b", "u", _SCREEN)[0]:
            return ""
        listed = self._session.call(KDE, "ListInhibitions", "a(ss)")[0]
        return next((name or _NAMELESS for name, _ in listed if not is_own(name)), "")

    def _by_logind(self) -> str:
        own = self._own_pids()
        for name, pid in logind.idle_inhibitors(self._system):
            if pid not in own and not is_own(name):
                return name or f"process {pid}"
        return ""

    def _by_window(self) -> str:
        fills = self._display.ask(lambda display: display.full_screen())
        return "a full-screen window" if fills else ""


def is_own(name: str) -> bool:
    """Whether a lock is this program's own, taken to keep the computer awake while it trains."""
    return any(own in name.casefold() for own in OWN_NAMES)
