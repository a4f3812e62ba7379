"""Nights in virtual time: the real policy, queue and ledger, with a scripted owner and a judge.

The world has a true time `t`. The wall clock shows `t` plus its error; the monotonic clock stops while the
computer sleeps.
"""

from __future__ import annotations

import bisect
import logging
import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from huey.storage import MemoryStorage

from nightschool.config.night_settings import NightSettings
from nightschool.config.paths import School
from nightschool.jobs.policy_tick import PolicyTick
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from nightschool.tasks.app import StageQueue
from nightschool.tasks.stage_huey import StageHuey
from tools.simulated_nights.judge import Figures, Judge
from tools.simulated_nights.script import DAY, HOUR, Script, ordinary_life
from tools.simulated_nights.worker import SimulatedWorker
from tools.simulated_nights.world import World

CALM_TICK_S = 50.0
"""Interval of ticks while nothing happens; the real interval is a second."""
SETTLED_S = 15.0
"""Ticks come every second until this long after the last change."""
WEEKEND = {
    "friday": "22:00-09:00",
    "saturday": ["13:00-15:00", "22:00-09:00"],
    "sunday": "23:30-06:30",
}


def simulate(
    folder: Path, zone: str, first: datetime, days: int, seed: int = 0,
    night: NightSettings | None = None,
    script: Callable[[str, datetime, int, int], Script] = ordinary_life,
) -> Figures:  # fmt: skip
    """Simulate this many days during which a run is always queued; the ledger is in `folder`.

    `first` is a local time in `zone`.
    """
    settings = night or NightSettings.model_validate({"timezone": zone, "days": WEEKEND})
    begin = first.replace(tzinfo=ZoneInfo(zone)).timestamp()
    events = script(zone, first, days, seed)
    world = World(events, begin, seed)
    school = School(folder)
    with (
        Ledger(school.ledger_file, world.wall, durable=False) as ledger,
        Ledger(school.ledger_file, world.wall, durable=False) as watched,
    ):
        queue = StageQueue(school, StageHuey("simulation", MemoryStorage, "nightschool.tasks.app"))
        worker = SimulatedWorker(ledger, queue, world, seed)
        policy = PolicyTick(
            school, queue, settings, world.signals,
            world.wall, world.monotonic, lambda: watched,
        )  # fmt: skip
        ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT)
        judge = Judge(world, settings, zone)
        with _WarningCollector(judge.figures.warnings):
            _run_until(world, policy, queue, worker, judge, begin + days * DAY)
    judge.figures.runs_done = worker.runs_done
    judge.figures.most_refusals_an_hour = max(
        (sum(t - HOUR < at <= t for at in worker.refused) for t in worker.refused), default=0
    )
    return judge.figures


def _run_until(
    world: World,
    policy: PolicyTick,
    queue: StageQueue,
    worker: SimulatedWorker,
    judge: Judge,
    end: float,
) -> None:
    edges, disturbances = world.script.edges(), world.script.disturbances()
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
        watched = worker.working or judge.window(world.wall())
        free = _calm_s(world, policy, edges if watched else disturbances, busy_until)
        # A second, like the scheduler; longer while nothing happens.
        seconds = max(1.0 + dice.uniform(0, 0.2), free)
        disturbed = world.pass_time(seconds, worker.working)
        if disturbed:
            busy_until = world.t + SETTLED_S
        judge.observe(seconds, disturbed, worker)


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


class _WarningCollector(logging.Handler):
    """Collects the warnings of ticks; nothing else shows that a tick failed."""

    def __init__(self, into: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        self._into.append(record.getMessage())

    def __enter__(self) -> None:
        logging.getLogger("nightschool.jobs.policy_tick").addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("nightschool.jobs.policy_tick").removeHandler(self)
