"""The smallest idle time of several input sources."""

from __future__ import annotations

from collections.abc import Iterable

from nightschool.jobs.signals.signal import Signal, unknown

TERMINALS = "terminal"


def smallest(signals: Iterable[Signal[float]], up_s: float) -> Signal[float]:
    """The smallest of at least one idle time, in seconds.

    Unknown if an existing source has no value, or one larger than `up_s`, the computer's uptime.
    """
    known_signals: list[tuple[float, Signal[float]]] = []
    for signal in signals:
        if signal.value is None:
            return signal
        # Terminal times come from the wall clock, which may have been set since.
        if signal.value > up_s + 60 and not signal.source.startswith(TERMINALS):
            return unknown(
                signal.source, f"{signal.value:.0f} s is more than the computer's uptime"
            )
        known_signals.append((signal.value, signal))
    return min(known_signals, key=lambda pair: pair[0])[1]
