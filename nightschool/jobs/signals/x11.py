"""A minimal X11 client for the idle time, and for windows that fill the screen.

It speaks the wire protocol (X.Org: X Window System Protocol, version 11; MIT-SCREEN-SAVER 1.1), because
libX11 ends the whole process when its server exits, and waits forever for one that hangs.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from nightschool.jobs.desktop.sockets import unix_socket
from nightschool.jobs.desktop.source_errors import SourceError
from nightschool.jobs.signals import wayland

LIMIT_S = 0.5
SOCKETS = Path("/tmp/.X11-unix")


def displays(sockets: Path | None = None) -> list[int]:
    """The local displays with a socket; only the environment's if it names one."""
    names = (path.name[1:] for path in (sockets or SOCKETS).glob("X*"))
    numbers = sorted(int(number) for number in names if number.isdigit())
    named = os.environ.get("DISPLAY")
    if named:
        match = re.fullmatch(r"(?:unix)?:(\d+)(?:\.\d+)?", named)
        return [number for number in numbers if match and number == int(match[1])]
    return numbers


def cookies(data: bytes, number: int) -> Iterator[bytes]:
    """The MIT-MAGIC-COOKIE-1 values for display `number` in an Xauthority file."""
    at = 0
    while at + 2 <= len(data):
        at += 2  # the family of the address
        fields = []
        for _ in range(4):
            (length,) = struct.unpack_from(">H", data.ljust(at + 2, b"\0"), at)
            fields.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        _, display, name, value = fields
        if name == b"MIT-MAGIC-COOKIE-1" and display in (b"", str(number).encode()):
            yield value


class XDisplay:
    """A connection to a local X server. Every method raises SourceError."""

    def __init__(self, number: int, sockets: Path | None = None) -> None:
        self.name = f":{number}"
        self._path = str((sockets or SOCKETS) / f"X{number}")
        self._number = number
        self._atoms: dict[str, int] = {}
        self._opcode = 0
        self._connect()

    def idle_s(self) -> float:
        """Seconds since the last input from any device."""
        if not self._opcode:
            raise SourceError(f"X display {self.name} has no MIT-SCREEN-SAVER")
        reply = self._request(self._opcode, 1, struct.pack("<I", self._root))
        return float(struct.unpack_from("<I", reply, 16)[0]) / 1000

    def is_xwayland(self) -> bool:
        """Whether it belongs to a Wayland session, and so receives only input to its own windows."""
        return bool(self._extension(b"XWAYLAND"))

    def full_screen(self) -> bool:
        """Whether the active window fills the screen (EWMH: _NET_WM_STATE_FULLSCREEN)."""
        active = self._property(self._root, "_NET_ACTIVE_WINDOW")
        if not active or not active[0]:
            return False
        try:
            state = self._property(active[0], "_NET_WM_STATE")
        except SourceError:
            return False  # it was closed in the meantime
        return self._atom("_NET_WM_STATE_FULLSCREEN") in state

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _connect(self) -> None:
        problem = "no answer"
        for cookie in [*self._cookies(), b""]:
            self._socket = unix_socket(LIMIT_S)
            try:
                self._socket.connect(self._path)
                if self._handshake(cookie):
                    self._opcode = self._extension(b"MIT-SCREEN-SAVER")
                    return
                problem = "access denied (XAUTHORITY)"
            except (OSError, struct.error) as error:
                problem = type(error).__name__
            self._socket.close()
        raise SourceError(f"X display {self.name} cannot be opened: {problem}")

    def _cookies(self) -> list[bytes]:
        path = os.environ.get("XAUTHORITY") or os.path.expanduser("~/.Xauthority")
        try:
            return list(cookies(Path(path).read_bytes(), self._number))
        except OSError:
            return []

    def _handshake(self, cookie: bytes) -> bool:
        method = b"MIT-MAGIC-COOKIE-1" if cookie else b""
        greeting = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(method), len(cookie))
        self._socket.sendall(greeting + _padded(method) + _padded(cookie))
        head = self._receive(8)
        body = self._receive(4 * struct.unpack_from("<H", head, 6)[0])
        if head[0] != 1:
            return False
        vendor, formats = struct.unpack_from("<H", body, 16)[0], body[21]
        (self._root,) = struct.unpack_from(
            "<I", body, 32 + len(_padded(b" " * vendor)) + 8 * formats
        )
        return True

    def _extension(self, name: bytes) -> int:
        reply = self._request(98, 0, struct.pack("<Hxx", len(name)) + _padded(name))
        return reply[9] if reply[8] else 0

    def _atom(self, name: str) -> int:
        if name not in self._atoms:
            reply = self._request(16, 0, struct.pack("<Hxx", len(name)) + _padded(name.encode()))
            self._atoms[name] = struct.unpack_from("<I", reply, 8)[0]
        return self._atoms[name]

    def _property(self, window: int, name: str) -> tuple[int, ...]:
        request = struct.pack("<IIIII", window, self._atom(name), 0, 0, 64)
        reply = self._request(20, 0, request)
        count = struct.unpack_from("<I", reply, 16)[0] if reply[1] == 32 else 0
        return struct.unpack_from(f"<{count}I", reply, 32)

    def _request(self, opcode: int, data: int, request: bytes) -> bytes:
        try:
            self._socket.sendall(struct.pack("<BBH", opcode, data, 1 + len(request) // 4) + request)
            while True:
                reply = self._receive(32)
                if reply[0] == 0:
                    raise SourceError(f"X display {self.name} refused: error {reply[1]}")
                if reply[0] in (1, 35):  # a reply or a long event; everything else has 32 bytes
                    reply += self._receive(4 * struct.unpack_from("<I", reply, 4)[0])
                if reply[0] == 1:
                    return reply
        except (OSError, struct.error) as error:
            self.close()
            raise SourceError(f"X display {self.name} was lost ({type(error).__name__})") from None

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._socket.recv(size - len(data))
            if not more:
                raise ConnectionResetError
            data += more
        return data


def open_display() -> XDisplay:
    """The desktop's display. Raises SourceError if none answers, or on Wayland."""
    if wayland.is_running():
        raise SourceError("X11 receives only part of a Wayland session's input")
    problems = []
    for number in displays():
        try:
            display = XDisplay(number)
        except SourceError as error:
            problems.append(str(error))
            continue
        if not display.is_xwayland():
            return display
        display.close()
        problems.append(f"X display {display.name} is Xwayland")
    raise SourceError("; ".join(problems) or "no X display")


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
