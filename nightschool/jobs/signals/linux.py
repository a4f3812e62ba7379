"""Where Linux (and what is like it) tells of its owner and its power."""

from __future__ import annotations

import os

import psutil

from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.desktop.source_errors import SourceError
from nightschool.jobs.signals import logind, wayland, x11
from nightschool.jobs.signals.linux_idle import Idle
from nightschool.jobs.signals.linux_lid import read_lid
from nightschool.jobs.signals.linux_power import read_power
from nightschool.jobs.signals.linux_presenting import Presenting
from nightschool.jobs.signals.polling import Found, Pids, Reading
from nightschool.jobs.signals.session import by_login_records, nearest
from nightschool.jobs.signals.signal import Signal


def readings(own_pids: Pids) -> list[Reading]:
    """Idle, power, and the surroundings: session, presenting, lid."""
    idle = Idle(*_buses())
    return [
        Reading(("idle_s",), lambda: {"idle_s": idle.read()}, every_s=0.0, rest_s=0.0),
        _power(),
        _surroundings(own_pids),
    ]


def _power() -> Reading:
    _, system = _buses()
    return Reading(("on_ac", "battery"), lambda: read_power(system), every_s=0.5, rest_s=0.5)


def _surroundings(own_pids: Pids) -> Reading:
    session, system = _buses()
    presenting = Presenting(session, system, own_pids)

    def read() -> Found:
        return {
            "session": _session(system),
            "presenting": presenting.read(),
            "lid_closed": read_lid(system),
        }

    return Reading(("session", "presenting", "lid_closed"), read, every_s=3.0)


def _session(system: BusClient) -> Signal[str]:
    try:
        return nearest(((who.kind(), who.user) for who in logind.sessions(system)), "logind")
    except SourceError:
        if x11.displays() or wayland.is_there():
            return Signal("local", "the socket of a desktop")
        if os.environ.get("SSH_CONNECTION"):
            return Signal("ssh", "SSH_CONNECTION")
        return by_login_records(psutil.users())


def _buses() -> tuple[BusClient, BusClient]:
    """Connections for one thread: each reading has its own."""
    return BusClient("session"), BusClient("system")
