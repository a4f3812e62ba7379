"""What happens in simulated nights: when the owner is active, the power fails, the computer sleeps ..."""

from __future__ import annotations

import bisect
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

Interval = tuple[float, float]
"""Its begin and its end, in seconds since the epoch."""


class Intervals:
    """Intervals of time, merged and sorted."""

    def __init__(self, intervals: list[Interval]) -> None:
        merged: list[Interval] = []
        for begin, end in sorted(intervals):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((begin, end))
        self.all = merged
        self._begins = [begin for begin, _ in merged]

    def at(self, t: float) -> Interval | None:
        """The interval that contains `t`."""
        before = self.before(t)
        return before if before and t < before[1] else None

    def before(self, t: float) -> Interval | None:
        """The last interval that began at `t` or before."""
        place = bisect.bisect_right(self._begins, t) - 1
        return self.all[place] if place >= 0 else None


@dataclass
class Script:
    """What the owner and the computer do, in true time."""

    active: Intervals
    unplugged: Intervals
    flapping: Intervals
    """Idle time and power supply change every few seconds."""
    asleep: Intervals
    hot: Intervals
    """The room is so warm that a GPU at work exceeds its limit."""
    jumps: list[tuple[float, float]]
    """When the clock is set, and by how many seconds."""
    gpu_taken: Intervals = field(default_factory=lambda: Intervals([]))
    """A run of another school holds the GPU, unless this school's run does."""

    def disturbances(self) -> list[float]:
        """Every moment at which the clock is set, or the computer sleeps or wakes."""
        return sorted(
            [moment for moment, _ in self.jumps]
            + [edge for sleep in self.asleep.all for edge in sleep]
        )

    def edges(self) -> list[float]:
        """Every moment at which something changes."""
        edges = self.disturbances()
        for intervals in (self.active, self.unplugged, self.flapping, self.hot, self.gpu_taken):
            edges += [edge for interval in intervals.all for edge in interval]
        edges += [end + 10 * MINUTE for _, end in self.active.all]
        edges += [end + 5 * MINUTE for _, end in self.unplugged.all]
        return sorted(edges)


def ordinary_life(zone: str, first: datetime, days: int, seed: int) -> Script:
    """Up to a year: work by day, three weeks in ninety by night, sleeps, wrong clocks and power cuts."""
    dice, other_school = random.Random(seed), random.Random(-1 - seed)
    active: list[Interval] = []
    unplugged: list[Interval] = []
    flapping: list[Interval] = []
    asleep: list[Interval] = []
    hot: list[Interval] = []
    jumps: list[tuple[float, float]] = []
    gpu_taken: list[Interval] = []

    def at(day: datetime, hours: float) -> float:
        shown = day.replace(tzinfo=None) + timedelta(hours=hours)
        return shown.replace(tzinfo=ZoneInfo(zone)).timestamp()

    for number in range(days):
        day = first + timedelta(days=number)
        if number % 90 >= 70:  # three weeks of nights at work
            busy_hours = [(20.0, 22.0 + 7 * dice.random())]
        else:
            busy_hours = [
                (8.0, 12.5),
                (13.0 + dice.random(), 18.0),
                (20.0, 21.5 + 2 * dice.random()),
            ]
        for begin, end in busy_hours:
            now, last = at(day, begin), at(day, end)
            while now < last:
                busy = dice.uniform(1, 50) * MINUTE
                active.append((now, min(now + busy, last)))
                now += busy + dice.expovariate(1 / (8 * MINUTE))
        if dice.random() < 0.15:  # a short use of the computer at night
            begin = at(day, dice.uniform(23, 31))
            active.append((begin, begin + dice.uniform(5, 900)))
        if dice.random() < 0.3:
            begin = at(day, dice.uniform(0, 24))
            unplugged.append((begin, begin + dice.uniform(1, 120) * MINUTE))
        if dice.random() < 0.06:
            begin = at(day, dice.uniform(22, 30))
            flapping.append((begin, begin + dice.uniform(3, 40) * MINUTE))
        if dice.random() < 0.07:
            begin = at(day, dice.uniform(0, 24))
            asleep.append((begin, begin + dice.choice([0.02, 0.5, 12.0]) * HOUR))
        if dice.random() < 0.05:
            hot.append((at(day, 20), at(day, 32)))
        if other_school.random() < 0.1:
            begin = at(day, other_school.uniform(22, 30))
            gpu_taken.append((begin, begin + other_school.uniform(5, 240) * MINUTE))
        if number % 60 == 5 and number + 3 < days:
            begin, delta = at(day, dice.uniform(22, 30)), dice.choice([DAY, -DAY])
            jumps += [(begin, delta), (begin + dice.uniform(0.5, 30) * HOUR, -delta)]
    # Nobody uses a sleeping computer.
    sleeps = Intervals(asleep)
    awake = [use for use in active if not (sleeps.at(use[0]) or sleeps.at(use[1]))]
    awake = [use for use in awake if not any(use[0] < begin < use[1] for begin, _ in sleeps.all)]
    return Script(
        Intervals(awake), Intervals(unplugged), Intervals(flapping), sleeps, Intervals(hot),
        sorted(jumps), Intervals(gpu_taken),
    )  # fmt: skip
