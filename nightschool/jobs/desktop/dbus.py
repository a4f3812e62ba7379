"""The two message buses of a Linux desktop: where they are, connecting, and a question now and then.

What is asked every second has a client of its own, `signals/bus.py`: it keeps its connection, waits
less, starts no service and rests from one that is silent.
"""

from __future__ import annotations

import os
import socket
from typing import Any, Literal

from jeepney import DBusAddress, DBusErrorResponse, Message, Properties
from jeepney.auth import AuthenticationError
from jeepney.bus import get_bus
from jeepney.io.blocking import DBusConnection, prep_socket
from jeepney.wrappers import unwrap_msg

from nightschool.jobs.desktop.sockets import runtime_folder

TIMEOUT_S = 5.0  # for one answer; a healthy service takes milliseconds


class BusError(Exception):
    """Why a bus or a service on it gave no answer, in a few words."""


class NoGreeting(BusError):
    """A bus that let us in and then gave no sensible answer; its cause is the error."""


def session_address() -> str:
    """This user's bus; where systemd has it, for a worker that ssh started and nobody told."""
    return os.environ.get("DBUS_SESSION_BUS_ADDRESS") or f"unix:path={runtime_folder() / 'bus'}"


def open_bus(address: str, limit_s: float, descriptors: bool = False) -> DBusConnection:
    """A new connection to an address ("SYSTEM": the system's), within twice `limit_s` seconds.

    Raises NoGreeting, and whatever jeepney does where there is no bus.
    """
    channel = prep_socket(get_bus(address), descriptors, timeout=limit_s)
    try:
        return _Greeted(channel, limit_s, descriptors)
    except Exception as error:
        channel.close()
        raise NoGreeting(_words(error)) from error


class _Greeted(DBusConnection):  # type: ignore[misc]
    def __init__(self, channel: socket.socket, limit_s: float, descriptors: bool) -> None:
        self._limit_s: float | None = limit_s  # jeepney's own greeting of the bus has none
        super().__init__(channel, descriptors)
        self._limit_s = None

    def receive(self, *, timeout: float | None = None) -> Message:
        return super().receive(timeout=self._limit_s if timeout is None else timeout)


def connect(bus: Literal["SYSTEM", "SESSION"]) -> DBusConnection:
    """A new connection that can receive file descriptors; raises BusError."""
    try:
        address = session_address() if bus == "SESSION" else bus
        return open_bus(address, TIMEOUT_S, descriptors=True)
    except (OSError, RuntimeError, ValueError, AuthenticationError, NoGreeting) as error:
        told = bus == "SYSTEM" or os.environ.get("DBUS_SESSION_BUS_ADDRESS")
        words = _words(error) if told else "DBUS_SESSION_BUS_ADDRESS is not set"
        raise BusError(f"no {bus.lower()} bus ({words})") from None


def ask(connection: DBusConnection, message: Message) -> tuple[Any, ...]:
    """The answer to a method call; raises BusError."""
    try:
        answer: tuple[Any, ...] = unwrap_msg(
            connection.send_and_get_reply(message, timeout=TIMEOUT_S)
        )
    except DBusErrorResponse as error:
        said = error.data[0] if error.data and isinstance(error.data[0], str) else error.name
        raise BusError(said) from None
    except (OSError, RuntimeError) as error:
        raise BusError(_words(error)) from None
    return answer


def read_property(connection: DBusConnection, address: DBusAddress, name: str) -> Any:
    """A property's value; raises BusError."""
    [(_, value)] = ask(connection, Properties(address).get(name))
    return value


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error.args[0]) if error.args else type(error).__name__
