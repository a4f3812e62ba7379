"""The readings of Linux and similar systems: idle, power, session, presenting, lid."""

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
from nightschool.jobs.signals.polling import NamedSignals, Pids, Reading
from nightschool.jobs.signals.session import by_login_records, nearest
from nightschool.jobs.signals.signal import Signal


def readings(own_pids: Pids) -> list[Reading]:
    """Readings of idle; of power; and of session, presenting and lid."""
    idle = Idle(*_buses())
    return [
        Reading(("idle_s",), lambda: {"idle_s": idle.read()}, every_s=0.0, rest_s=0.0),
        _power_reading(),
        _slow_reading(own_pids),
    ]


def _power_reading() -> Reading:
    _, system = _buses()
    return Reading(("on_ac", "battery"), lambda: read_power(system), every_s=0.5, rest_s=0.5)


def _slow_reading(own_pids: Pids) -> Reading:
    session, system = _buses()
    presenting = Presenting(session, system, own_pids)

    def read() -> NamedSignals:
        return {
            "session": _session(system),
            "presenting": presenting.read(),
            "lid_closed": read_lid(system),
        }

    return Reading(("session", "presenting", "lid_closed"), read, every_s=3.0)


def _session(system: BusClient) -> Signal[str]:
    try:
        return nearest(
            ((person.kind(), person.user) for person in logind.sessions(system)), "logind"
        )
    except SourceError:
        if x11.displays() or wayland.is_running():
            return Signal("local", "a desktop's socket")
        if os.environ.get("SSH_CONNECTION"):
            return Signal("ssh", "SSH_CONNECTION")
        return by_login_records(psutil.users())


def _buses() -> tuple[BusClient, BusClient]:
    """The session and the system bus, for one reading's thread."""
    return BusClient("session"), BusClient("system")
