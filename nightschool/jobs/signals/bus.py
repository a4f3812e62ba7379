"""A D-Bus client for questions every second: it leaves alone for a while what did not answer."""

from __future__ import annotations

import time
from typing import Any, NoReturn

from jeepney import DBusAddress, HeaderFields, MessageFlag, MessageType, new_method_call

from nightschool.jobs.desktop.dbus import NoGreeting, open_bus
from nightschool.jobs.signals.signal import AbsentError, SourceError

LIMIT_S = 0.5
REST_S = 60.0
RECONNECT_S = 5.0


class Bus:
    """One connection, made when it is first needed and again when it was lost.

    For one thread at a time. Nothing is started by being asked (NO_AUTO_START).
    """

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self._address = address
        self._connection: Any = None
        self._resting: dict[str, tuple[float, type[SourceError]]] = {}

    def call(
        self, peer: str, path: str, interface: str, method: str, expect: str,
        signature: str = "", *arguments: Any,
    ) -> tuple[Any, ...]:  # fmt: skip
        """The body of the answer, whose D-Bus signature is `expect`. Raises SourceError.

        AbsentError, where there is no such peer or no bus.
        """
        self._check_rest(peer)
        message = new_method_call(
            DBusAddress(path, bus_name=peer, interface=interface),
            method,
            signature or None,
            arguments,
        )
        message.header.flags |= MessageFlag.no_auto_start
        try:
            reply = self._connected().send_and_get_reply(message, timeout=LIMIT_S)
        except TimeoutError:
            self._resting[peer] = (time.monotonic() + REST_S, SourceError)
            raise SourceError(f"{peer} did not answer within {LIMIT_S} s") from None
        except SourceError:
            raise
        except Exception as error:  # the bus ended, or sent what is no D-Bus
            self._lose(f"the {self.name} bus was lost ({type(error).__name__})")
        if reply.header.message_type is MessageType.error:
            raise _refusal(peer, reply.header.fields.get(HeaderFields.error_name, ""))
        given = reply.header.fields.get(HeaderFields.signature, "")
        if given != expect:
            raise SourceError(f'{peer} answered {method} with "{given}" instead of "{expect}"')
        return tuple(reply.body)

    def get(self, peer: str, path: str, interface: str, name: str, expect: str) -> Any:
        """A property, whose D-Bus signature is `expect`. Raises SourceError."""
        arguments = ("org.freedesktop.DBus.Properties", "Get", "v", "ss", interface, name)
        given, value = self.call(peer, path, *arguments)[0]
        if given != expect:
            raise SourceError(f'{peer} gives {name} as "{given}" instead of "{expect}"')
        return value

    def get_all(self, peer: str, path: str, interface: str) -> dict[str, Any]:
        """All properties of an interface. Raises SourceError."""
        arguments = ("org.freedesktop.DBus.Properties", "GetAll", "a{sv}", "s", interface)
        return {name: value for name, (_, value) in self.call(peer, path, *arguments)[0].items()}

    def _check_rest(self, peer: str) -> None:
        for key, what in ((peer, peer), ("", f"the {self.name} bus")):
            until, error = self._resting.get(key, (0.0, SourceError))
            left_s = until - time.monotonic()
            if left_s > 0:
                raise error(f"{what} did not answer and is asked again in {left_s:.0f} s")

    def _connected(self) -> Any:
        if self._connection is None:
            try:
                self._connection = open_bus(self._address, LIMIT_S)
            except NoGreeting as error:
                why = type(error.__cause__).__name__
                self._lose(f"the {self.name} bus does not answer ({why})")
            except Exception as error:
                self._lose(f"there is no {self.name} bus ({type(error).__name__})", _kind(error))
        return self._connection

    def _lose(self, remark: str, error: type[SourceError] = SourceError) -> NoReturn:
        self.close()
        self._resting[""] = (time.monotonic() + RECONNECT_S, error)
        raise error(remark) from None

    def close(self) -> None:
        """End the connection; the next call makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _refusal(peer: str, error: str) -> SourceError:
    short = error.rsplit(".", 1)[-1]
    if short in ("ServiceUnknown", "NameHasNoOwner"):
        return AbsentError(f"{peer} is not there")
    lacks = short.startswith("Unknown") or short == "NotSupported"
    return (AbsentError if lacks else SourceError)(f"{peer} refused: {short or 'error'}")


def _kind(error: Exception) -> type[SourceError]:
    return SourceError if isinstance(error, TimeoutError) else AbsentError
