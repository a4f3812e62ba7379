"""Of several places where somebody may sit, the one that was used last."""

from __future__ import annotations

from collections.abc import Iterable

from nightschool.jobs.signals.signal import Signal, unknown

TERMINALS = "terminal"


def smallest(found: Iterable[Signal[float]], up_s: float) -> Signal[float]:
    """The smallest of at least one idle time, in seconds.

    Unknown where a place that exists cannot tell, or tells more than `up_s`, the computer's uptime.
    """
    known: list[tuple[float, Signal[float]]] = []
    for signal in found:
        if signal.value is None:
            return signal
        # The clock that dates what is typed into terminals can have been set in between.
        if signal.value > up_s + 60 and not signal.source.startswith(TERMINALS):
            return unknown(signal.source, f"{signal.value:.0f} s is longer than the computer is on")
        known.append((signal.value, signal))
    return min(known, key=lambda pair: pair[0])[1]
