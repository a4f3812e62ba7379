"""Judges a simulation from outside: it knows only the script and the owner's windows as written.

It shares no code with the policy that it judges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nightschool.config.night_settings import WEEKDAYS, NightSettings, minutes
from tools.simulated_nights.script import HOUR, MINUTE
from tools.simulated_nights.worker import GRACE_S, SimulatedWorker
from tools.simulated_nights.world import World

REACTION_S = 2.0 + GRACE_S + 1.0
"""A tick, the runner's check of the ledger, and the child's grace period."""


@dataclass
class Figures:
    """What the judge observed. Times are in seconds of true time."""

    nights: int = 0
    ticks: int = 0
    allowed_s: float = 0.0
    used_s: float = 0.0
    starts: int = 0
    most_starts_an_hour: int = 0
    most_refusals_an_hour: int = 0
    sessions_too_many: int = 0
    outside_s: float = 0.0
    active_s: float = 0.0
    battery_s: float = 0.0
    hot_s: float = 0.0
    runs_done: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The share of work in the time in which the rules allowed it."""
        return self.used_s / self.allowed_s if self.allowed_s else 1.0

    def violations(self, starts_per_hour: int) -> dict[str, float]:
        """Everything that happened and must not."""
        violations: dict[str, float] = {
            "seconds outside a window": self.outside_s,
            "seconds beside an active owner": self.active_s,
            "seconds on battery": self.battery_s,
            "seconds too hot": self.hot_s,
            "sessions without a cause": self.sessions_too_many,
            "starts above the limit an hour": max(0, self.most_starts_an_hour - starts_per_hour),
            "retries on a busy GPU above one in five minutes": max(
                0, self.most_refusals_an_hour - 13
            ),
            "ticks that failed": len(self.warnings),
        }
        return {name: number for name, number in violations.items() if number}


class Judge:
    """Watches from outside, every second while something happens."""

    def __init__(self, world: World, night: NightSettings, zone: str) -> None:
        self._world, self._night, self._zone = world, night, ZoneInfo(zone)
        self.figures = Figures()
        self._since: dict[str, float] = {}
        self._not_quiet_at = -math.inf
        self._hot = False
        self._starts: list[float] = []
        self._window: object = None
        self._sessions = self._causes = self._lost = 0
        self._allowed = self._was_working = False
        self._clock_disturbed_at = -math.inf

    def window(self, wall: float) -> tuple[Any, str] | None:
        """The open window as the owner wrote it: its evening and its text."""
        shown = datetime.fromtimestamp(wall, self._zone)
        minute = shown.hour * 60 + shown.minute
        for ago in (0, 1):
            evening = (shown - timedelta(days=ago)).date()
            written = getattr(self._night.days, WEEKDAYS[evening.weekday()])
            written = written or f"{self._night.start}-{self._night.end}"
            for text in [written] if isinstance(written, str) else written:
                begin, end = (minutes(part) for part in text.split("-"))
                crosses = end <= begin
                inside = (
                    minute >= begin and (crosses or minute < end)
                    if ago == 0
                    else crosses and minute < end
                )  # fmt: skip
                if inside:
                    return evening, text
        return None

    def observe(self, seconds: float, disturbed: bool, worker: SimulatedWorker) -> None:
        """Judge the `seconds` that just passed; nothing changed before their end."""
        world, figures, working = self._world, self.figures, worker.working
        window = self.window(world.wall())
        idle, on_ac = world.idle_s(), world.on_ac()
        if disturbed:
            self._clock_disturbed_at = world.t
        if window != self._window:
            self._close_window(worker.lost)
            self._window = window
        bad = not on_ac or world.suspending() or disturbed
        # A flapping idle time needs quiet minutes like a plug; one that grows is quiet anyway.
        bad = bad or (idle < 600 and world.script.flapping.at(world.t) is not None)
        if bad and window:
            self._not_quiet_at = world.t
        active = idle < 600
        self._hot = world.heat > 87 or (self._hot and world.heat > 75)
        held = bool(worker.refused) and world.t < worker.refused[-1] + 5 * MINUTE
        allowed = bool(
            window and not bad and not active and not self._hot and not held
            and world.t - self._not_quiet_at >= self._night.quiet_minutes * 60
        )  # fmt: skip
        if window and not allowed:
            self._causes += self._allowed
        self._allowed = allowed
        figures.allowed_s += seconds * allowed
        figures.used_s += seconds * (allowed and working)
        late = world.t - self._clock_disturbed_at < REACTION_S
        figures.outside_s += seconds * (working and not window and not late)
        figures.active_s += self._over("active", seconds, active and working)
        figures.battery_s += self._over("battery", seconds, not on_ac and working)
        figures.hot_s += self._over("hot", seconds, world.heat > 87 and working)
        if working and not self._was_working and not worker.continues:
            self._sessions += 1
            if not held:
                self._began(worker.started)
        self._was_working = working or worker.continues

    def _over(self, name: str, seconds: float, wrong: bool) -> float:
        """Seconds of a wrong state, beyond the time that a reaction takes."""
        if not wrong:
            self._since.pop(name, None)
            return 0.0
        since = self._since.setdefault(name, self._world.t)
        return seconds if self._world.t - max(since, self._clock_disturbed_at) > REACTION_S else 0.0

    def _began(self, t: float) -> None:
        figures = self.figures
        figures.starts += 1
        self._starts = [at for at in self._starts if t - at < HOUR] + [t]
        if t - self._clock_disturbed_at > HOUR:  # a clock change makes an hour longer or shorter
            figures.most_starts_an_hour = max(figures.most_starts_an_hour, len(self._starts))

    def _close_window(self, lost: int) -> None:
        if self._window:
            self.figures.nights += 1
            causes = self._causes + lost - self._lost
            self.figures.sessions_too_many += max(0, self._sessions - 1 - causes)
        self._sessions = self._causes = 0
        self._lost = lost
