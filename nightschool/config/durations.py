"""Durations as text, for the terminal and the report."""

from __future__ import annotations


def format_duration(seconds: float) -> str:
    """Seconds as "45 s", "3 min 20 s", "45 min" or "2 h 10 min", to the minute from 10 minutes on."""
    whole = round(seconds)
    if whole >= 600:
        whole = round(seconds / 60) * 60
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    parts = [f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if n]
    return " ".join(parts) or "0 s"
