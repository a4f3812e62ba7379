"""The worker's newest signals, in a file beside the ledger, for `why`.

Another process sees less: only the worker receives announcements of a sleep, a Wayland compositor counts
idle time from the first request on, and a load is measured over some seconds.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nightschool.config import bounded_json
from nightschool.config.files import write
from nightschool.jobs.signals.signal import Signal, Signals

EVERY_S = 5.0
"""Interval of writing while signals are read every second."""
FRESH_S = 15.0
"""Age up to which a snapshot counts: the worker reads no signals while the clock alone decides."""


def write_snapshot(file: Path, signals: Signals, at: float) -> None:
    """Store signals read at `at`, in seconds since the epoch; a power cut may lose them."""
    write(file, json.dumps({"at": at, "signals": asdict(signals)}), durable=False)


def read_snapshot(file: Path, now: float) -> Signals | None:
    """The stored signals with their age at `now`; None if they are stale, absent or unreadable."""
    try:
        stored = bounded_json.read(file)
        age = now - stored["at"]
        if not 0 <= age <= FRESH_S:
            return None
        return Signals(**{name: _aged(row, age) for name, row in stored["signals"].items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _aged(row: dict[str, Any], age: float) -> Signal[Any]:
    signal: Signal[Any] = Signal(**row)
    value = tuple(signal.value) if isinstance(signal.value, list) else signal.value
    return Signal(value, signal.source, signal.age_s + age, signal.remark)
