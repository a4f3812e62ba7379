"""How a duration is said, in the terminal and on the page."""

from __future__ import annotations


def spoken(seconds: float) -> str:
    """Seconds as "45 s", "3 min 20 s", "45 min" or "2 h 10 min": exact enough to plan with."""
    whole = round(seconds)
    if whole >= 600:
        whole = round(seconds / 60) * 60
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    parts = [f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if n]
    return " ".join(parts) or "0 s"
