"""A minimal Wayland compositor with ext-idle-notify."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path


class Compositor:
    """Speaks the wire protocol (Wayland 1, ext-idle-notify-v1) with one client and checks its ids."""

    def __init__(self, path: Path, *globals_: str) -> None:
        self.globals = globals_ or ("wl_compositor", "wl_seat", "ext_idle_notifier_v1")
        self.timeouts: list[int] = []
        self.faults: list[str] = []
        self.notifications: list[int] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._client: socket.socket | None = None
        self._path = path
        threading.Thread(target=self._serve, daemon=True).start()

    def tell(self, opcode: int, seat: int = 0) -> None:
        """0: idled, 1: resumed."""
        assert self._client is not None
        self._client.sendall(message(self.notifications[seat], opcode))

    def say(self, data: bytes) -> None:
        assert self._client is not None
        self._client.sendall(data)

    def close(self) -> None:
        with suppress(OSError):  # the client disconnected first
            if self._client is not None:
                self._client.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        pending, last_id, interfaces = b"", 1, {1: "wl_display"}
        with client, suppress(OSError):
            while more := client.recv(4096):
                self._client = client
                pending += more
                while (
                    len(pending) >= 8
                    and len(pending) >= struct.unpack_from("=I", pending, 4)[0] >> 16
                ):
                    target, word = struct.unpack_from("=II", pending)
                    body, pending = pending[8 : word >> 16], pending[word >> 16 :]
                    last_id = self._obey(client, interfaces, last_id, (target, word & 0xFFFF, body))

    def _obey(
        self,
        client: socket.socket,
        known: dict[int, str],
        last_id: int,
        asked: tuple[int, int, bytes],
    ) -> int:
        target, opcode, body = asked
        new_id: int
        match known.get(target), opcode:
            case "wl_display", 0:
                (new_id,) = struct.unpack("=I", body)
                gone = message(1, 1, struct.pack("=I", new_id))
                client.sendall(message(new_id, 0, struct.pack("=I", 1)) + gone)
                known[new_id] = "wl_callback"
            case "wl_display", 1:
                (new_id,) = struct.unpack("=I", body)
                known[new_id] = "wl_registry"
                for name, interface in enumerate(self.globals, 30):
                    text = interface.encode() + b"\0"
                    padded = text + b"\0" * (-len(text) % 4)
                    advertised = struct.pack("=II", name, len(text)) + padded + struct.pack("=I", 2)
                    client.sendall(message(new_id, 0, advertised))
            case "wl_registry", 0:
                name, size = struct.unpack_from("=II", body)
                interface = body[8 : 8 + size - 1].decode()
                _, new_id = struct.unpack_from("=II", body, 8 + size + -size % 4)
                if self.globals[name - 30] != interface:
                    self.faults.append(f"{name} is no {interface}")
                known[new_id] = interface
                if interface == "wl_seat":
                    client.sendall(message(new_id, 0, struct.pack("=I", 3)))  # its capabilities
            case "ext_idle_notifier_v1", 1:
                new_id, timeout, seat = struct.unpack("=III", body)
                if known.get(seat) != "wl_seat":
                    self.faults.append(f"{seat} is no seat")
                self.timeouts.append(timeout)
                self.notifications.append(new_id)
                known[new_id] = "ext_idle_notification_v1"
            case other:
                self.faults.append(f"unknown request {other}")
                return last_id
        if new_id != last_id + 1:
            self.faults.append(f"object {new_id} follows {last_id}")
        return new_id


def message(sender: int, opcode: int, body: bytes = b"") -> bytes:
    return struct.pack("=II", sender, (8 + len(body)) << 16 | opcode) + body
