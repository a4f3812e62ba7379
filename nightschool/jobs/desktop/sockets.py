"""The sockets of this user's session: the desktop's and the session bus's."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path


def runtime_folder() -> Path:
    """Where they lie, also for a process that was not told."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{own_uid()}")


def own_uid() -> int:
    """The number of the user who runs this."""
    if sys.platform == "win32":
        raise NotImplementedError
    return os.getuid()


def unix_socket(limit_s: float) -> socket.socket:
    """A socket that is not connected, whose every call ends after `limit_s` seconds."""
    if sys.platform == "win32":
        raise NotImplementedError
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(limit_s)
    return made
