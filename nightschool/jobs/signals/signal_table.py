"""The table of `python -m nightschool.jobs.signals`: all signals of this computer, read twice."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import fields
from pathlib import Path

from rich.table import Table

from nightschool.config.terminal_console import TerminalConsole
from nightschool.jobs.signals.sensors import Sensors
from nightschool.jobs.signals.signal import Signal, Signals


def table(signals: Signals) -> Table:
    """A row per signal."""
    rows = Table("signal", "value", "age", "source", "remark", box=None, pad_edge=False)
    for field in fields(signals):
        signal: Signal[object] = getattr(signals, field.name)
        value = "unknown" if signal.value is None else _value_text(signal.value)
        rows.add_row(field.name, value, f"{signal.age_s:.1f} s", signal.source, signal.remark)
    return rows


def _value_text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return (
        ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value) or "nobody"
    )


def main() -> None:
    """Read twice, because a worker sees second readings."""
    sensors = Sensors(Path.cwd(), sys.argv[1:], lambda: {os.getpid()})
    console = TerminalConsole()
    for name in ("first reading", "a second later"):
        begun = time.perf_counter()
        signals = sensors.read()
        console.print(f"\n{name}: {1000 * (time.perf_counter() - begun):.1f} ms")
        console.print(table(signals))
        if name == "first reading":
            time.sleep(1)
