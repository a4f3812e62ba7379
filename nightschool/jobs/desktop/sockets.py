"""Unix sockets of this user's session."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path


def runtime_folder() -> Path:
    """The folder of the session's sockets, also if the environment does not name it."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{own_uid()}")


def own_uid() -> int:
    """The user id of this process."""
    if sys.platform == "win32":
        raise NotImplementedError
    return os.getuid()


def unix_socket(limit_s: float) -> socket.socket:
    """An unconnected socket whose calls time out after `limit_s` seconds."""
    if sys.platform == "win32":
        raise NotImplementedError
    unconnected = socket.socket(socket.AF_UNIX)
    unconnected.settimeout(limit_s)
    return unconnected
