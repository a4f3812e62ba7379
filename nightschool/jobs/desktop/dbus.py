"""A client for the two message buses of a Linux desktop, over jeepney."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Literal, NoReturn

from jeepney import (
    DBusAddress,
    HeaderFields,
    MatchRule,
    Message,
    MessageFlag,
    MessageType,
    new_method_call,
)
from jeepney.bus import get_bus
from jeepney.io.blocking import DBusConnection, prep_socket

from nightschool.jobs.desktop.sockets import runtime_folder
from nightschool.jobs.desktop.source_errors import (
    AbsentError,
    RefusedError,
    SourceError,
    UnsupportedError,
)

LIMIT_S = 0.5
"""Time limit of a call that is made every second; a healthy service takes milliseconds."""
PATIENT_LIMIT_S = 5.0
"""Time limit of a rare call, which may have to start its service."""
PEER_REST_S = 60.0
"""How long a peer that missed the limit is left alone."""
BUS_REST_S = 5.0
"""How long a bus that was lost or is unreachable is left alone."""

_BUS = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
_PROPERTIES = "org.freedesktop.DBus.Properties"


class BusClient:
    """One connection to a bus, opened on first use and reopened after it was lost; for one thread.

    Every method raises SourceError, and AbsentError if there is no such bus, peer or method.
    """

    def __init__(
        self, bus: Literal["session", "system"], address: str = "", *, patient: bool = False
    ) -> None:
        """`address` defaults to the bus of this user's session or of the system.

        A `patient` client is for rare calls: it waits longer, lets the bus start a service that does
        not run yet, and can receive file descriptors.
        """
        self.name = f"the {bus} bus"
        self._patient = patient
        self._unnamed = bus == "session" and not (
            address or os.environ.get("DBUS_SESSION_BUS_ADDRESS")
        )
        self._address = address or (session_address() if bus == "session" else "SYSTEM")
        self._connection: DBusConnection | None = None
        self._resting: dict[str, tuple[float, type[SourceError]]] = {}

    def __enter__(self) -> BusClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(
        self, peer: DBusAddress, method: str, expect: str, signature: str = "", *arguments: Any
    ) -> tuple[Any, ...]:
        """The body of a method's answer, whose D-Bus signature must be `expect`."""
        name = str(peer.bus_name)
        self._check_rest(name)
        message = new_method_call(peer, method, signature or None, arguments)
        if not self._patient:
            message.header.flags |= MessageFlag.no_auto_start
        connection = self._connected()
        try:
            reply = connection.send_and_get_reply(message, timeout=self._limit_s)
        except TimeoutError:
            self._resting[name] = (time.monotonic() + PEER_REST_S, SourceError)
            raise SourceError(f"{name} did not answer within {self._limit_s} s") from None
        except Exception as error:  # the bus ended, or sent something other than D-Bus
            self._lose(f"{self.name} was lost ({_words(error)})")
        if reply.header.message_type is MessageType.error:
            raise _error_reply(name, method, reply)
        received = reply.header.fields.get(HeaderFields.signature, "")
        if received != expect:
            raise SourceError(f'{name} answered {method} with "{received}" instead of "{expect}"')
        return tuple(reply.body)

    def get(self, peer: DBusAddress, name: str, expect: str) -> Any:
        """A property's value, whose D-Bus signature must be `expect`."""
        properties = peer.with_interface(_PROPERTIES)
        [(received, value)] = self.call(properties, "Get", "v", "ss", peer.interface, name)
        if received != expect:
            raise SourceError(f'{peer.bus_name} has {name} as "{received}" instead of "{expect}"')
        return value

    def get_all(self, peer: DBusAddress) -> dict[str, Any]:
        """All properties of an interface."""
        properties = peer.with_interface(_PROPERTIES)
        [values] = self.call(properties, "GetAll", "a{sv}", "s", peer.interface)
        return {name: value for name, (_, value) in values.items()}

    @contextlib.contextmanager
    def subscribe(self, sender: DBusAddress, member: str) -> Iterator[deque[Message]]:
        """Collect a sender's signals in a queue; `wait` fills it."""
        signal = {
            "type": "signal",
            "interface": sender.interface,
            "member": member,
            "path": sender.object_path,
        }
        queue: deque[Message] = deque()
        # The bus knows who owns a name; a message that arrives has its sender as a number only.
        with self._connected().filter(MatchRule(**signal), queue=queue):
            on_bus = MatchRule(sender=sender.bus_name, **signal)
            self.call(_BUS, "AddMatch", "", "s", on_bus.serialise())
            yield queue

    def wait(self, queue: deque[Message], timeout_s: float | None) -> Message | None:
        """The next signal of a subscription, or None after `timeout_s` seconds."""
        try:
            return self._connected().recv_until_filtered(queue, timeout=timeout_s)
        except TimeoutError:
            return None
        except (OSError, RuntimeError) as error:
            self._lose(f"{self.name} was lost ({_words(error)})")

    def interrupt(self) -> None:
        """Make a `wait` in another thread raise SourceError."""
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(OSError):  # the bus closed it first
                connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @property
    def _limit_s(self) -> float:
        return PATIENT_LIMIT_S if self._patient else LIMIT_S

    def _check_rest(self, peer: str) -> None:
        for key, subject in ((peer, peer), ("", self.name)):
            until, error = self._resting.get(key, (0.0, SourceError))
            left_s = until - time.monotonic()
            if left_s > 0:
                raise error(f"{subject} did not answer; next attempt in {left_s:.0f} s")

    def _connected(self) -> DBusConnection:
        if self._connection is None:
            try:
                channel = prep_socket(get_bus(self._address), self._patient, timeout=self._limit_s)
            except Exception as error:
                reason = "DBUS_SESSION_BUS_ADDRESS is not set" if self._unnamed else _words(error)
                kind = SourceError if isinstance(error, TimeoutError) else AbsentError
                self._lose(f"{self.name} is unreachable ({reason})", kind)
            try:
                self._connection = _LimitedConnection(channel, self._limit_s, self._patient)
            except Exception as error:
                channel.close()
                self._lose(f"{self.name} does not answer ({_words(error)})")
        return self._connection

    def _lose(self, message: str, error: type[SourceError] = SourceError) -> NoReturn:
        self.close()
        self._resting[""] = (time.monotonic() + BUS_REST_S, error)
        raise error(message) from None


class _LimitedConnection(DBusConnection):  # type: ignore[misc]
    """A connection whose greeting has a time limit, too; jeepney's own waits forever."""

    def __init__(self, channel: socket.socket, limit_s: float, descriptors: bool) -> None:
        self._greeting_limit_s: float | None = limit_s
        super().__init__(channel, descriptors)
        self._greeting_limit_s = None

    def receive(self, *, timeout: float | None = None) -> Message:
        return super().receive(timeout=self._greeting_limit_s if timeout is None else timeout)


def session_address() -> str:
    """The address of this user's bus, also for a worker whose environment does not name it."""
    return os.environ.get("DBUS_SESSION_BUS_ADDRESS") or f"unix:path={runtime_folder() / 'bus'}"


def _error_reply(peer: str, method: str, reply: Message) -> SourceError:
    name = reply.header.fields.get(HeaderFields.error_name, "").rsplit(".", 1)[-1]
    if name in ("ServiceUnknown", "NameHasNoOwner"):
        return AbsentError(f"{peer} is not running")
    text = reply.body[0] if reply.body and isinstance(reply.body[0], str) else ""
    unsupported = name.startswith("Unknown") or name == "NotSupported"
    error = UnsupportedError if unsupported else RefusedError
    return error(f"{peer} refused {method}: {name or 'error'}" + (f" ({text})" if text else ""))


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error.args[0]) if error.args else type(error).__name__
