"""The simulated computer: its clocks and its signals."""

from __future__ import annotations

import math
import random
from typing import Any

from nightschool.jobs.signals.signal import Signal, Signals
from tools.simulated_nights.script import Script


class World:
    """True time, the wall clock, the monotonic clock, and the signals."""

    def __init__(self, script: Script, begin: float, seed: int) -> None:
        self.script, self.t = script, begin
        self.clock_error_s = 0.0
        self.slept_s = 0.0
        self.heat = 45.0
        self._dice = random.Random(seed)
        self._jumps = list(script.jumps)
        self._flip = (0.0, False, False)

    def wall(self) -> float:
        return self.t + self.clock_error_s

    def monotonic(self) -> float:
        return self.t - self.slept_s

    def pass_time(self, seconds: float, working: bool) -> bool:
        """Let time pass; returns whether the clock was set or the computer slept meanwhile."""
        target = (92.0 if self.script.hot.at(self.t) else 78.0) if working else 45.0
        self.heat += (target - self.heat) * (1 - math.exp(-seconds / 240))
        self.t += seconds
        disturbed = False
        while self._jumps and self._jumps[0][0] <= self.t:
            self.clock_error_s += self._jumps.pop(0)[1]
            disturbed = True
        if sleep := self.script.asleep.at(self.t):
            self.slept_s += sleep[1] - self.t
            self.t = sleep[1]
            self.heat = 45.0
            disturbed = True
        if self.script.flapping.at(self.t) and self.t >= self._flip[0]:
            idle, power = (self._dice.random() < 0.5 for _ in range(2))
            self._flip = (self.t + self._dice.uniform(1, 6), idle, power)
        return disturbed

    def idle_s(self) -> float:
        if self.script.flapping.at(self.t):
            return 5000.0 if self._flip[1] else 1.0
        before = self.script.active.before(self.t)
        return max(0.0, self.t - before[1]) if before else 5000.0

    def on_ac(self) -> bool:
        if self.script.flapping.at(self.t):
            return self._flip[2]
        return not self.script.unplugged.at(self.t)

    def suspending(self) -> bool:
        """Whether a sleep is announced; only every other one is."""
        sleep = self.script.asleep.at(self.t + 4)
        return sleep is not None and int(sleep[0]) % 2 == 0

    def signals(self) -> Signals:
        return Signals(
            idle_s=Signal(self.idle_s(), "script"),
            on_ac=Signal(self.on_ac(), "script"),
            gpu_temperature=Signal(self.heat, "script"),
            suspending=Signal(self.suspending(), "script"),
            **_CALM,
        )


_CALM: dict[str, Signal[Any]] = {
    name: Signal(value, "script")
    for name, value in {
        "battery": 80.0, "gpu_programs": (), "gpu_load": 0.0, "gpu_throttled": (), "cpu_load": 3.0,
        "disk_free": 1e11, "session": "local", "presenting": "", "lid_closed": False, "programs": (),
    }.items()
}  # fmt: skip
