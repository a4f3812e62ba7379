"""The signals as the worker last read them, left beside the ledger for those who ask.

Another process sees less: whether a sleep is announced only the worker hears, a Wayland compositor counts
idleness from the moment at which it was first asked, and a load is measured over some seconds.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nightschool.config.files import write
from nightschool.jobs.signals.signal import Signal, Signals

EVERY_S = 5.0
"""So often they are left while they are read every second."""
FRESH_S = 15.0
"""Older ones are not what the worker sees: it reads none while the clock alone decides."""


def leave(file: Path, signals: Signals, at: float) -> None:
    """Leave what was read at a moment, in seconds since the epoch; after a power cut it may be lost."""
    write(file, json.dumps({"at": at, "signals": asdict(signals)}), durable=False)


def left(file: Path, now: float) -> Signals | None:
    """What was left, with its age at `now`; None where nothing fresh was, or this version cannot read it."""
    try:
        kept = json.loads(file.read_text("utf-8"))
        age = now - kept["at"]
        if not 0 <= age <= FRESH_S:
            return None
        return Signals(**{name: _aged(row, age) for name, row in kept["signals"].items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _aged(row: dict[str, Any], age: float) -> Signal[Any]:
    found: Signal[Any] = Signal(**row)
    value = tuple(found.value) if isinstance(found.value, list) else found.value
    return Signal(value, found.source, found.age_s + age, found.remark)
