"""How the owner is logged in: local, rdp, ssh or "none"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nightschool.jobs.signals.signal import Signal

NOBODY = "none"


def nearest(kinds: Iterable[tuple[str, str]], source: str) -> Signal[str]:
    """The closest of several (kind, user) pairs: local before rdp before ssh."""
    users = dict(kinds)
    for kind in ("local", "rdp", "ssh"):
        if kind in users:
            return Signal(kind, f"{source}, session of {users[kind]}")
    return Signal(NOBODY, source)


def by_login_records(users: Iterable[Any]) -> Signal[str]:
    """From `psutil.users()`: a user with a host is remote; ":0" is a display, not a host."""
    kinds = [("ssh" if user.host and user.host[0] != ":" else "local", user.name) for user in users]
    return nearest(kinds, "login records")
