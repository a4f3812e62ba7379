"""A private message bus (a real dbus-daemon) and services on it."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jeepney import (
    DBusAddress,
    HeaderFields,
    Message,
    MessageType,
    message_bus,
    new_error,
    new_method_return,
    new_signal,
)
from jeepney.io.blocking import DBusConnection, Proxy, open_dbus_connection

needs_bus = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("dbus-daemon"), reason="no dbus-daemon here"
)

_CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/>
  </policy>
</busconfig>
"""


OK = b"OK 0123456789abcdef0123456789abcdef\r\n"
"""A bus's reply to a successful authentication."""


class PrivateBus:
    """A dbus-daemon for one test."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.socket = folder / "bus"
        self.address = f"unix:path={self.socket}"
        self._config = folder / "bus.conf"
        self._config.write_text(_CONFIG.format(socket=self.socket), encoding="utf-8")
        self.start()

    def start(self) -> None:
        self._daemon = subprocess.Popen(
            ["dbus-daemon", f"--config-file={self._config}", "--nofork", "--print-address=1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # as root it warns about its limit of open files
        )
        assert self._daemon.stdout
        self._daemon.stdout.readline()  # it is listening now

    def stop(self) -> None:
        self._daemon.kill()
        self._daemon.communicate()
        self.socket.unlink(missing_ok=True)


class ServiceFault(Exception):
    """An error that a service answers with."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


Answer = tuple[str, tuple[Any, ...]]
"""Signature and body of an answer."""
Handler = Callable[[Message], Answer]


class Service(ABC):
    """A service with `names` on a private bus, which answers in a thread."""

    def __init__(self, address: str, *names: str) -> None:
        self._connection: DBusConnection = open_dbus_connection(address, enable_fds=True)
        for name in names:
            Proxy(message_bus, self._connection).RequestName(name)
        self._sending = threading.Lock()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @abstractmethod
    def answer(self, message: Message) -> Answer | None:
        """The answer; None for silence. Raises KeyError for an unknown method, or ServiceFault."""

    def send(self, message: Message) -> None:
        with self._sending:
            self._connection.send(message)

    def close(self) -> None:
        self._connection.sock.shutdown(2)
        self._thread.join(timeout=5)
        self._connection.close()

    def _serve(self) -> None:
        while True:
            try:
                message = self._connection.receive()
            except (OSError, ValueError):
                return
            if message.header.message_type is not MessageType.method_call:
                continue
            try:
                self._reply(message)
            except ServiceFault as fault:
                self.send(new_error(message, fault.name, "s", (str(fault),)))
            except KeyError as unknown:
                self.send(
                    new_error(
                        message, "org.freedesktop.DBus.Error.UnknownMethod", "s", (str(unknown),)
                    )
                )

    def _reply(self, message: Message) -> None:
        answer = self.answer(message)  # its descriptors close when this returns
        if answer is not None:
            self.send(new_method_return(message, *answer))


class FakeService(Service):
    """Answers with the handler of the method's name."""

    def __init__(self, bus: PrivateBus, name: str, handlers: dict[str, Handler]) -> None:
        self._handlers = handlers
        super().__init__(bus.address, name)

    def answer(self, message: Message) -> Answer:
        return self._handlers[message.header.fields[HeaderFields.member]](message)


@dataclass
class FakeLock:
    """An inhibitor lock of the fake logind."""

    what: str
    who: str
    why: str
    mode: str
    _read_end: int

    @property
    def held(self) -> bool:
        """Whether the other end is still open, which is also logind's criterion."""
        watch = select.poll()
        watch.register(self._read_end, select.POLLHUP)
        return not watch.poll(0)

    def forget(self) -> None:
        os.close(self._read_end)


class FakeLogind(FakeService):
    """Grants locks as file descriptors, refuses some, and announces sleeps."""

    path, interface = "/org/freedesktop/login1", "org.freedesktop.login1.Manager"

    def __init__(self, bus: PrivateBus, refuses: tuple[str, ...] = (), preparing: bool = False):
        self.locks: list[FakeLock] = []
        self.refuses = set(refuses)
        self.refused = 0
        self.preparing = preparing
        super().__init__(
            bus, "org.freedesktop.login1", {"Inhibit": self._inhibit, "Get": self._get}
        )

    def held(self) -> list[FakeLock]:
        return [lock for lock in self.locks if lock.held]

    def forget(self) -> None:
        """Close our ends of all locks."""
        while self.locks:
            self.locks.pop().forget()

    def prepare_for_sleep(self, preparing: bool) -> None:
        self.preparing = preparing
        emitter = DBusAddress(self.path, interface=self.interface)
        self.send(new_signal(emitter, "PrepareForSleep", "b", (preparing,)))

    def _inhibit(self, message: Message) -> tuple[str, tuple[Any, ...]]:
        what, who, why, mode = message.body
        if what in self.refuses:
            self.refused += 1
            raise ServiceFault("org.freedesktop.DBus.Error.AccessDenied", "Permission denied")
        read_end, write_end = os.pipe()
        self.locks.append(FakeLock(what, who, why, mode, read_end))
        # The message has its own copy until it is sent; this object closes ours.
        return "h", (_SentDescriptor(write_end),)

    def _get(self, message: Message) -> tuple[str, tuple[Any, ...]]:
        values = {"PreparingForSleep": ("b", self.preparing), "InhibitDelayMaxUSec": ("t", 7000000)}
        return "v", (values[message.body[1]],)


class _SentDescriptor:
    """A descriptor that closes after the answer with it was sent."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def __del__(self) -> None:
        os.close(self._descriptor)


@contextmanager
def running_bus(folder: Path) -> Iterator[PrivateBus]:
    if not shutil.which("dbus-daemon"):
        pytest.skip("no dbus-daemon here")
    bus = PrivateBus(folder)
    try:
        yield bus
    finally:
        bus.stop()


@contextmanager
def listener(path: Path, **answers: bytes) -> Iterator[str]:
    """A server for one connection, which sends each answer when it has received the keyword."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            channel, _ = server.accept()
            heard = b""
            with channel, suppress(OSError):
                for word, data in answers.items():
                    while word.encode() not in heard:
                        heard += channel.recv(4096)
                    channel.sendall(data)
                while channel.recv(4096):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"unix:path={path}"
        thread.join()


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until a condition holds, which another thread brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.005)
