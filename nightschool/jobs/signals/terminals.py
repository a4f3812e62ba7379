"""When somebody last typed into a terminal, by SSH or at a console."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable

from nightschool.jobs.signals.idle import TERMINALS
from nightschool.jobs.signals.signal import Signal

# A time further in the future was written while the clock was wrong.
_AHEAD_S = 60.0


def terminals() -> list[str]:
    """The terminals at which somebody may type."""
    if sys.platform == "darwin":
        return [entry.path for entry in os.scandir("/dev") if entry.name.startswith("ttys")]
    pseudo = [entry.path for entry in os.scandir("/dev/pts")] if os.path.isdir("/dev/pts") else []
    return [f"/dev/tty{number}" for number in range(1, 13)] + [
        path for path in pseudo if path.rsplit("/", 1)[-1].isdigit()
    ]


def typing_idle(paths: Iterable[str], now: float) -> list[Signal[float]]:
    """Seconds since a program last read from any of the terminals; empty without terminals.

    Linux updates a terminal's access time in steps of 8 s (tty_update_time in drivers/tty/tty_io.c),
    to hide keystroke timing, so the value is up to 8 s too large.
    """
    last = 0.0
    name = ""
    for path in paths:
        try:
            read_at = os.stat(path).st_atime
        except OSError:  # closed in the meantime
            continue
        if last < read_at <= now + _AHEAD_S:
            last, name = read_at, path
    return [Signal(max(now - last, 0.0), f"{TERMINALS} {name}")] if name else []


def read_terminals() -> list[Signal[float]]:
    """Seconds since somebody last typed into a terminal; empty without terminals."""
    return typing_idle(terminals(), time.time())
