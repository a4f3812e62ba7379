"""A private D-Bus daemon, and services on it that answer as a test wants."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Answers = dict[tuple[str, str], tuple[str, tuple[Any, ...]]]
"""Of (object path, method) and of (object path, property): signature and body."""


@contextmanager
def daemon(folder: Path) -> Iterator[str]:
    """The address of a bus of our own, in a new folder's file `bus`."""
    program = shutil.which("dbus-daemon")
    if program is None:
        pytest.skip("there is no dbus-daemon")
    address = f"unix:path={folder / 'bus'}"
    started = subprocess.Popen(
        [
            program,
            "--session",
            "--nofork",
            "--nopidfile",
            "--print-address",
            f"--address={address}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert started.stdout is not None
        assert started.stdout.readline()  # it listens now
        yield address
    finally:
        started.kill()
        started.wait()
        (folder / "bus").unlink(missing_ok=True)


class Peer:
    """A service with the names `names`. A method that it does not know is an error; None is silence."""

    def __init__(self, address: str, *names: str) -> None:
        from jeepney import message_bus
        from jeepney.bus import get_bus
        from jeepney.io.blocking import DBusConnection, Proxy, prep_socket

        self.answers: dict[tuple[str, str], tuple[str, tuple[Any, ...]] | None] = {}
        self.asked: list[str] = []
        self._connection = DBusConnection(prep_socket(get_bus(address)))
        for name in names:
            Proxy(message_bus, self._connection).RequestName(name)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._connection.close()

    def _serve(self) -> None:
        from jeepney import MessageType

        while not self._ended.is_set():
            try:
                message = self._connection.receive(timeout=0.02)
            except TimeoutError:
                continue
            except OSError:
                return
            if message.header.message_type is MessageType.method_call:
                self._answer(message)

    def _answer(self, message: Any) -> None:
        from jeepney import HeaderFields, new_error, new_method_return

        fields = message.header.fields
        path, method = fields[HeaderFields.path], fields[HeaderFields.member]
        self.asked.append(method)
        if method == "Get":
            told = self.answers.get((path, message.body[1]), ())
            reply = told and ("v", ((told[0], told[1][0]),))
        elif method == "GetAll":
            rows = {
                name: told for (where, name), told in self.answers.items() if where == path and told
            }
            reply = ("a{sv}", ({name: (sign, body[0]) for name, (sign, body) in rows.items()},))
        else:
            reply = self.answers.get((path, method), ())
        if reply is None:
            return
        if not reply:
            self._connection.send(new_error(message, "org.freedesktop.DBus.Error.UnknownMethod"))
            return
        self._connection.send(new_method_return(message, *reply))


LOGIND = "/org/freedesktop/login1"


def log_in(peer: Peer, *sessions: dict[str, Any]) -> None:
    """Make a peer answer as logind with these sessions."""
    signs = {str: "s", bool: "b", int: "t"}
    listed = []
    for number, told in enumerate(sessions):
        path = f"{LOGIND}/session/_{number}"
        listed.append((str(number), told.get("uid", 1000), told.get("user", "ana"), "seat0", path))
        defaults = {"Class": "user", "State": "active", "Type": "wayland", "Active": True}
        for name, value in (defaults | told).items():
            if name not in ("uid", "user"):
                peer.answers[path, name] = (signs[type(value)], (value,))
    peer.answers[LOGIND, "ListSessions"] = ("a(susso)", (listed,))
