"""A minimal Wayland client for the idle time (ext-idle-notify-v1: KWin, sway, Hyprland ...).

It speaks the wire protocol, because no library is both small and pure Python. The compositor sends an
event after `QUIET_MS` without input and another at the next input; the idle time cannot be queried.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from nightschool.jobs.desktop.sockets import runtime_folder, unix_socket
from nightschool.jobs.desktop.source_errors import SourceError
from nightschool.jobs.signals.polling import uptime_s

LIMIT_S = 0.5
QUIET_MS = 5_000
_DISPLAY, _REGISTRY = 1, 2


def socket_path() -> Path | None:
    """The compositor's socket, also if the environment does not name it."""
    folder = runtime_folder()
    named = os.environ.get("WAYLAND_DISPLAY")
    if named and (folder / named).exists():
        return folder / named
    sockets = sorted(path for path in folder.glob("wayland-*") if path.suffix != ".lock")
    return sockets[0] if sockets else None


def is_running() -> bool:
    """Whether a compositor listens; a crashed one leaves its socket behind."""
    path = socket_path()
    if path is None:
        return False
    with unix_socket(LIMIT_S) as probe:
        return probe.connect_ex(str(path)) == 0


class IdleNotifier:
    """A connection to a compositor. Every method raises SourceError."""

    def __init__(self, path: Path) -> None:
        self._socket = unix_socket(LIMIT_S)
        self._pending = b""
        self._last_id = _REGISTRY
        self._quiet_since: dict[int, float | None] = {}
        try:
            self._socket.connect(str(path))
            self._subscribe()
        except (OSError, struct.error) as error:
            self.close()
            raise SourceError(
                f"the Wayland compositor is unreachable ({type(error).__name__})"
            ) from None
        except SourceError:
            self.close()
            raise

    def idle_s(self) -> float:
        """Seconds since the last input at any seat; 0 if that is less than 5."""
        try:
            self._socket.setblocking(False)
            while True:
                self._receive()
                self._handle(list(self._messages()))
        except BlockingIOError:
            pass
        except (OSError, struct.error) as error:
            self.close()
            raise SourceError(f"the Wayland compositor was lost ({type(error).__name__})") from None
        now = uptime_s()
        quiet = [0.0 if since is None else now - since for since in self._quiet_since.values()]
        return min(quiet)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _subscribe(self) -> None:
        self._send(_DISPLAY, 1, struct.pack("=I", _REGISTRY))
        notifier, seats = None, []
        for sender, opcode, body in self._roundtrip():
            if sender == _REGISTRY and opcode == 0:
                name, size = struct.unpack_from("=II", body)
                interface = body[8 : 8 + size - 1]
                if interface == b"ext_idle_notifier_v1":
                    notifier = name
                elif interface == b"wl_seat":
                    seats.append(name)
        if notifier is None or not seats:
            raise SourceError("the Wayland compositor has no ext-idle-notify")
        notifier_id = self._bind(notifier, b"ext_idle_notifier_v1")
        for name in seats:
            seat_id, notification = self._bind(name, b"wl_seat"), self._new_id()
            self._send(notifier_id, 1, struct.pack("=III", notification, QUIET_MS, seat_id))
            self._quiet_since[notification] = None
        self._handle(self._roundtrip())

    def _new_id(self) -> int:
        """The next object number; Wayland allows no gaps."""
        self._last_id += 1
        return self._last_id

    def _bind(self, name: int, interface: bytes) -> int:
        text = interface + b"\0"
        padded = text + b"\0" * (-len(text) % 4)
        new_id = self._new_id()
        body = struct.pack("=II", name, len(text)) + padded + struct.pack("=II", 1, new_id)
        self._send(_REGISTRY, 0, body)
        return new_id

    def _roundtrip(self) -> list[tuple[int, int, bytes]]:
        """All messages up to the answer to a sync request."""
        callback = self._new_id()
        self._send(_DISPLAY, 0, struct.pack("=I", callback))
        received: list[tuple[int, int, bytes]] = []
        while True:
            for message in self._messages():
                if message[0] == callback:
                    return received
                received.append(message)
            self._receive()

    def _handle(self, messages: list[tuple[int, int, bytes]]) -> None:
        for sender, opcode, _ in messages:
            if sender == _DISPLAY and opcode == 0:
                raise ConnectionResetError  # a protocol error of ours
            if sender in self._quiet_since:
                idled = opcode == 0
                self._quiet_since[sender] = uptime_s() - QUIET_MS / 1000 if idled else None

    def _send(self, target: int, opcode: int, body: bytes) -> None:
        self._socket.sendall(struct.pack("=II", target, (8 + len(body)) << 16 | opcode) + body)

    def _receive(self) -> None:
        more = self._socket.recv(4096)
        if not more:
            raise ConnectionResetError
        self._pending += more

    def _messages(self) -> Iterator[tuple[int, int, bytes]]:
        """Complete messages received so far: sender, opcode, body."""
        while len(self._pending) >= 8:
            sender, word = struct.unpack_from("=II", self._pending)
            size = word >> 16
            if size < 8:
                raise ConnectionResetError
            if len(self._pending) < size:
                return
            body, self._pending = self._pending[8:size], self._pending[size:]
            yield sender, word & 0xFFFF, body
