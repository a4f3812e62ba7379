"""Nights in virtual time: the real policy, queue and ledger, a scripted owner, and a judge.

The world has a true time `t`. The wall clock shows `t` plus its error; the monotonic clock stops while the
computer sleeps. The judge knows only the script and the owner's windows as written, and does not use the
code that it judges.
"""

from __future__ import annotations

import bisect
import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from huey.storage import MemoryStorage

from nightschool.config.night_settings import WEEKDAYS, NightSettings, minutes
from nightschool.config.paths import School
from nightschool.jobs.policy_tick import PolicyTick
from nightschool.jobs.signals.signal import Signal, Signals
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Claim
from nightschool.tasks.app import StageHuey, StageQueue, enqueue_due

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
GRACE_S = 8.0
"""A child that was asked to stop is killed after this."""
REACTION_S = 2.0 + GRACE_S + 1.0
"""A tick, the runner's check of the ledger, and the child's grace period."""
CALM_TICK_S = 50.0
"""Interval of ticks while nothing happens; the real interval is a second."""
SETTLED_S = 15.0
CHUNK_S = 30 * MINUTE
REFUSED_AFTER_S = 20.0
WEEKEND = {
    "friday": "22:00-09:00",
    "saturday": ["13:00-15:00", "22:00-09:00"],
    "sunday": "23:30-06:30",
}

Interval = tuple[float, float]


class Intervals:
    """Intervals of time, merged and sorted."""

    def __init__(self, given: list[Interval]) -> None:
        merged: list[Interval] = []
        for begin, end in sorted(given):
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
    """What happens, in true time."""

    active: Intervals
    unplugged: Intervals
    flapping: Intervals
    """Idle time and power supply change every few seconds."""
    asleep: Intervals
    hot: Intervals
    """Warm rooms, in which a GPU at work exceeds its limit."""
    jumps: list[tuple[float, float]]
    """When the clock is set, and by how much."""
    taken: Intervals = field(default_factory=lambda: Intervals([]))
    """A run of another school holds the GPU, unless ours does."""

    def upsets(self) -> list[float]:
        """Every moment at which the clock is set, or the computer sleeps or wakes."""
        return sorted([at for at, _ in self.jumps] + [e for bed in self.asleep.all for e in bed])

    def edges(self) -> list[float]:
        """Every moment at which something changes."""
        edges = self.upsets()
        for stretches in (self.active, self.unplugged, self.flapping, self.hot, self.taken):
            edges += [edge for stretch in stretches.all for edge in stretch]
        edges += [end + 10 * MINUTE for _, end in self.active.all]
        edges += [end + 5 * MINUTE for _, end in self.unplugged.all]
        return sorted(edges)


def lived(zone: str, first: datetime, days: int, seed: int) -> Script:
    """Up to a year of a life: days at work, nights at work, trips, and a moody computer."""
    dice, other_school = random.Random(seed), random.Random(-1 - seed)
    active: list[Interval] = []
    unplugged: list[Interval] = []
    flapping: list[Interval] = []
    asleep: list[Interval] = []
    hot: list[Interval] = []
    jumps: list[tuple[float, float]] = []
    taken: list[Interval] = []

    def at(day: datetime, hours: float) -> float:
        shown = day.replace(tzinfo=None) + timedelta(hours=hours)
        return shown.replace(tzinfo=ZoneInfo(zone)).timestamp()

    for number in range(days):
        day = first + timedelta(days=number)
        if number % 90 >= 70:  # three weeks of nights at work
            bedtimes = [(20.0, 22.0 + 7 * dice.random())]
        else:
            bedtimes = [(8.0, 12.5), (13.0 + dice.random(), 18.0), (20.0, 21.5 + 2 * dice.random())]
        for begin, end in bedtimes:
            now, last = at(day, begin), at(day, end)
            while now < last:
                busy = dice.uniform(1, 50) * MINUTE
                active.append((now, min(now + busy, last)))
                now += busy + dice.expovariate(1 / (8 * MINUTE))
        if dice.random() < 0.15:  # a look at the screen at night
            look = at(day, dice.uniform(23, 31))
            active.append((look, look + dice.uniform(5, 900)))
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
            taken.append((begin, begin + other_school.uniform(5, 240) * MINUTE))
        if number % 60 == 5 and number + 3 < days:
            begin, delta = at(day, dice.uniform(22, 30)), dice.choice([DAY, -DAY])
            jumps += [(begin, delta), (begin + dice.uniform(0.5, 30) * HOUR, -delta)]
    # Nobody uses a sleeping computer or sets its clock.
    beds = Intervals(asleep)
    awake = [one for one in active if not (beds.at(one[0]) or beds.at(one[1]))]
    awake = [one for one in awake if not any(one[0] < bed[0] < one[1] for bed in beds.all)]
    return Script(
        Intervals(awake), Intervals(unplugged), Intervals(flapping), beds, Intervals(hot),
        sorted(jumps), Intervals(taken),
    )  # fmt: skip


@dataclass
class Figures:
    """What the judge saw. Times in seconds of true time."""

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


class World:
    """True time, the three clocks, and the signals."""

    def __init__(self, script: Script, begin: float, seed: int) -> None:
        self.script, self.t = script, begin
        self.wrong_s = 0.0
        self.slept_s = 0.0
        self.heat = 45.0
        self._dice = random.Random(seed)
        self._jumps = list(script.jumps)
        self._flip = (0.0, False, False)

    def wall(self) -> float:
        return self.t + self.wrong_s

    def monotonic(self) -> float:
        return self.t - self.slept_s

    def pass_time(self, seconds: float, working: bool) -> bool:
        """Let time pass; returns whether the clock was set or the computer slept meanwhile."""
        target = (92.0 if self.script.hot.at(self.t) else 78.0) if working else 45.0
        self.heat += (target - self.heat) * (1 - math.exp(-seconds / 240))
        self.t += seconds
        upset = False
        while self._jumps and self._jumps[0][0] <= self.t:
            self.wrong_s += self._jumps.pop(0)[1]
            upset = True
        if bed := self.script.asleep.at(self.t):
            self.slept_s += bed[1] - self.t
            self.t = bed[1]
            self.heat = 45.0
            upset = True
        if self.script.flapping.at(self.t) and self.t >= self._flip[0]:
            idle, power = (self._dice.random() < 0.5 for _ in range(2))
            self._flip = (self.t + self._dice.uniform(1, 6), idle, power)
        return upset

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
        """Every other sleep is announced."""
        bed = self.script.asleep.at(self.t + 4)
        return bed is not None and int(bed[0]) % 2 == 0

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


class Worker:
    """Huey's thread, the runner and its child, without threads and processes."""

    def __init__(self, ledger: Ledger, queue: StageQueue, world: World, seed: int) -> None:
        self._ledger, self._queue, self._world = ledger, queue, world
        self._dice = random.Random(seed)
        self.claim: Claim | None = None
        self.continues = False
        self.runs_done = self.lost = 0
        self.refused: list[float] = []
        """When the GPU was found busy with another school's run."""
        self.started = 0.0
        self._ends = 0.0
        self._outcome = "chunk_done"
        self._stopping: float | None = None
        self._progress_at = 0.0
        self._left = 0.0

    @property
    def working(self) -> bool:
        return self.claim is not None

    @property
    def stopping(self) -> bool:
        return self._stopping is not None

    def step(self) -> None:
        """Bring the child up to the present."""
        t = self._world.t
        if self.claim is None:
            if self._queue.huey.dequeue():
                self._start()
            return
        if self._stopping is not None:
            if t >= self._stopping:
                reason = self._ledger.control().decision_reason
                self._ledger.interrupt(self.claim, "outside_window", reason)
                self._end(continues=False)
        elif not self._ledger.control().run_allowed:
            self._stopping = t + self._dice.uniform(0.2, GRACE_S)
        elif t >= self._ends:
            self._finish()
        elif t - self._progress_at > 5 * MINUTE:
            self._progress_at = t
            self._ledger.progress(self.claim, int(t) % 100_000, 100_000, 1.0, None)

    def _start(self) -> None:
        run = self._ledger.next_run()
        control = self._ledger.control()
        if run is None or not control.run_allowed or control.decision_run != run.id:
            return
        self.claim = self._ledger.claim(run.id, "worker")
        if self.claim is None:
            return
        t = self._progress_at = self.started = self._world.t
        if self._world.script.taken.at(t):
            self._outcome, self._ends = "device_busy", t + REFUSED_AFTER_S
            self.continues = False
            self.refused.append(self._ends)
            return
        if self.claim.stage != "train":
            self._outcome, self._ends = "finished", t + self._dice.uniform(10, 300)
            return
        self._left = self._left or self._dice.uniform(1, 12) * HOUR
        if self._dice.random() < 0.01:
            self._outcome, self._ends = "lost", t + self._dice.uniform(1, CHUNK_S)
        elif self._left <= CHUNK_S:
            self._outcome, self._ends = "finished", t + self._left
        else:
            self._outcome, self._ends = "chunk_done", t + CHUNK_S

    def _finish(self) -> None:
        assert self.claim
        if self._outcome == "lost":
            self.lost += 1
            self._ledger.interrupt(self.claim, "lost", "its process ended with code -11")
            self._end(continues=False)
            return
        if self._outcome == "device_busy":
            self._ledger.interrupt(self.claim, "device_busy", "")
            self._end(continues=False)
            return
        if self._outcome == "finished":
            if self.claim.stage == "train":
                self._left = 0.0
            self._ledger.finish(self.claim, {})
            if self.claim.stage == "compare":
                self.runs_done += 1
                self._ledger.add_run({}, "compare", "tonight")
        else:
            self._left -= CHUNK_S
            self._ledger.interrupt(self.claim, "chunk_done", "")
        run = self.claim.run
        self._end(continues=True)
        enqueue_due(self._queue, self._ledger, run)

    def _end(self, *, continues: bool) -> None:
        self.claim, self._stopping, self.continues = None, None, continues


class Judge:
    """Watches from outside, every second while something happens."""

    def __init__(self, world: World, night: NightSettings, zone: str) -> None:
        self._world, self._night, self._zone = world, night, ZoneInfo(zone)
        self.figures = Figures()
        self._since: dict[str, float] = {}
        self._disturbed = -math.inf
        self._hot = False
        self._starts: list[float] = []
        self._window: object = None
        self._sessions = self._causes = self._lost = 0
        self._allowed = self._was_working = False
        self._upset_at = -math.inf

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

    def see(self, seconds: float, upset: bool, worker: Worker) -> None:
        """Judge the `seconds` that just passed; nothing changed before their end."""
        world, figures, working = self._world, self.figures, worker.working
        window = self.window(world.wall())
        idle, on_ac = world.idle_s(), world.on_ac()
        if upset:
            self._upset_at = world.t
        if window != self._window:
            self._close_window(worker.lost)
            self._window = window
        bad = not on_ac or world.suspending() or upset
        # A flapping idle time needs quiet minutes like a plug; one that grows is quiet anyway.
        bad = bad or (idle < 600 and world.script.flapping.at(world.t) is not None)
        if bad and window:
            self._disturbed = world.t
        active = idle < 600
        self._hot = world.heat > 87 or (self._hot and world.heat > 75)
        held = bool(worker.refused) and world.t < worker.refused[-1] + 5 * MINUTE
        allowed = bool(
            window and not bad and not active and not self._hot and not held
            and world.t - self._disturbed >= self._night.quiet_minutes * 60
        )  # fmt: skip
        if window and not allowed:
            self._causes += self._allowed
        self._allowed = allowed
        figures.allowed_s += seconds * allowed
        figures.used_s += seconds * (allowed and working)
        late = world.t - self._upset_at < REACTION_S
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
        return seconds if self._world.t - max(since, self._upset_at) > REACTION_S else 0.0

    def _began(self, t: float) -> None:
        figures = self.figures
        figures.starts += 1
        self._starts = [at for at in self._starts if t - at < HOUR] + [t]
        if t - self._upset_at > HOUR:  # a clock change makes an hour longer or shorter
            figures.most_starts_an_hour = max(figures.most_starts_an_hour, len(self._starts))

    def _close_window(self, lost: int) -> None:
        if self._window:
            self.figures.nights += 1
            causes = self._causes + lost - self._lost
            self.figures.sessions_too_many += max(0, self._sessions - 1 - causes)
        self._sessions = self._causes = 0
        self._lost = lost


def simulate(
    folder: Path, zone: str, first: datetime, days: int, seed: int = 0,
    night: NightSettings | None = None,
    script: Callable[[str, datetime, int, int], Script] = lived,
) -> Figures:  # fmt: skip
    """Simulate this many days with a run always queued; the ledger is in `folder`."""
    settings = night or NightSettings.model_validate({"timezone": zone, "days": WEEKEND})
    begin = first.replace(tzinfo=ZoneInfo(zone)).timestamp()
    events = script(zone, first, days, seed)
    world = World(events, begin, seed)
    school = School(folder)
    with (
        Ledger(school.ledger_file, world.wall, durable=False) as ledger,
        Ledger(school.ledger_file, world.wall, durable=False) as watched,
    ):
        queue = StageQueue(school, StageHuey("simulation", MemoryStorage))
        worker = Worker(ledger, queue, world, seed)
        policy = PolicyTick(
            school, queue, settings, world.signals,
            world.wall, world.monotonic, lambda: watched,
        )  # fmt: skip
        ledger.add_run({}, "compare", "tonight")
        judge = Judge(world, settings, zone)
        with _Warnings(judge.figures.warnings):
            _live(world, policy, queue, worker, judge, begin + days * DAY)
    judge.figures.runs_done = worker.runs_done
    judge.figures.most_refusals_an_hour = max(
        (sum(t - HOUR < at <= t for at in worker.refused) for t in worker.refused), default=0
    )
    return judge.figures


def _live(
    world: World, policy: PolicyTick, queue: StageQueue, worker: Worker, judge: Judge, end: float
) -> None:
    edges, upsets = world.script.edges(), world.script.upsets()
    busy_until = world.t + SETTLED_S
    last: object = None
    dice = random.Random(1)
    while world.t < end:
        policy.tick()
        judge.figures.ticks += 1
        worker.step()
        decision = policy.decision and (policy.decision.run, policy.decision.reason)
        if decision != last or queue.count() or worker.stopping:
            busy_until, last = world.t + SETTLED_S, decision
        asked = worker.working or judge.window(world.wall())
        free = _calm_s(world, policy, edges if asked else upsets, busy_until)
        # A second, like the scheduler; longer while nothing happens.
        seconds = max(1.0 + dice.uniform(0, 0.2), free)
        upset = world.pass_time(seconds, worker.working)
        if upset:
            busy_until = world.t + SETTLED_S
        judge.see(seconds, upset, worker)


def _calm_s(world: World, policy: PolicyTick, edges: list[float], busy_until: float) -> float:
    """For how long nothing will happen; 0 if something has just happened."""
    if world.t < busy_until or world.script.flapping.at(world.t):
        return 0.0
    place = bisect.bisect_right(edges, world.t)
    if place and world.t - edges[place - 1] < SETTLED_S:
        return 0.0
    free = min(edges[place] - 6 - world.t if place < len(edges) else DAY, CALM_TICK_S)
    if policy.decision and policy.decision.next_check:
        free = min(free, policy.decision.next_check - 1 - world.wall())
    return min(free, 5.0) if world.script.hot.at(world.t) else free


class _Warnings(logging.Handler):
    """Collects the warnings of ticks: nothing else shows that one failed."""

    def __init__(self, into: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        self._into.append(record.getMessage())

    def __enter__(self) -> None:
        logging.getLogger("nightschool.jobs.policy_tick").addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("nightschool.jobs.policy_tick").removeHandler(self)
