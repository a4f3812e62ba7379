"""The two message buses of a Linux desktop, as far as nightschool asks them something."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from jeepney import DBusAddress, DBusErrorResponse, Message, Properties
from jeepney.auth import AuthenticationError
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.wrappers import unwrap_msg

TIMEOUT_S = 5.0  # for one answer; a healthy service takes milliseconds


class BusError(Exception):
    """Why a bus or a service on it gave no answer, in a few words."""


def connect(bus: Literal["SYSTEM", "SESSION"]) -> DBusConnection:
    """A new connection that can receive file descriptors; raises BusError."""
    try:
        return open_dbus_connection(
            _session_address() if bus == "SESSION" else bus, enable_fds=True
        )
    except (OSError, KeyError, RuntimeError, ValueError, AuthenticationError) as error:
        raise BusError(f"no {bus.lower()} bus ({_words(error)})") from None


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


def _session_address() -> str:
    given = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    if given:
        return given
    # Where systemd's user bus is: a worker that ssh started is not told its address.
    socket = Path(os.environ.get("XDG_RUNTIME_DIR", "")) / "bus"
    if not socket.exists():
        raise KeyError("DBUS_SESSION_BUS_ADDRESS is not set")
    return f"unix:path={socket}"


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error.args[0]) if error.args else type(error).__name__
