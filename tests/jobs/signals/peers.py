"""Services on a private bus with configurable answers."""

from __future__ import annotations

from typing import Any

from jeepney import HeaderFields, Message

from tests.jobs.bus import Answer, FakeLogind, Service

LOGIND = FakeLogind.path
LOGIND_NAME = "org.freedesktop.login1"


class Peer(Service):
    """Answers by (object path, method) and (object path, property); None is silence."""

    def __init__(self, address: str, *names: str) -> None:
        self.answers: dict[tuple[str, str], Answer | None] = {}
        self.asked: list[str] = []
        super().__init__(address, *names)

    def answer(self, message: Message) -> Answer | None:
        fields = message.header.fields
        path, method = fields[HeaderFields.path], fields[HeaderFields.member]
        self.asked.append(method)
        if method == "Get":
            stored = self.answers[path, message.body[1]]
            return stored and ("v", ((stored[0], stored[1][0]),))
        if method == "GetAll":
            rows = {
                name: (stored[0], stored[1][0])
                for (where, name), stored in self.answers.items()
                if where == path and stored
            }
            return "a{sv}", (rows,)
        return self.answers[path, method]


def log_in(peer: Peer, *sessions: dict[str, Any]) -> None:
    """Make a peer answer like a logind with these sessions."""
    signs = {str: "s", bool: "b", int: "t"}
    listed = []
    for number, properties in enumerate(sessions):
        path = f"{LOGIND}/session/_{number}"
        listed.append(
            (str(number), properties.get("uid", 1000), properties.get("user", "ana"), "seat0", path)
        )
        defaults = {"Class": "user", "State": "active", "Type": "wayland", "Active": True}
        for name, value in (defaults | properties).items():
            if name not in ("uid", "user"):
                peer.answers[path, name] = (signs[type(value)], (value,))
    peer.answers[LOGIND, "ListSessions"] = ("a(susso)", (listed,))
