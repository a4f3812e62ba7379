"""The forecast for the night: what the policy decides now, when work starts and when it is done.

`why`, `status` and `run` show it. They decide as the worker does, from the same ledger and signals.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import date

from nightschool.config.durations import format_duration
from nightschool.config.night import Window, local, next_window, windows
from nightschool.config.night_settings import NightSettings
from nightschool.config.paths import School
from nightschool.jobs.history import History, read_history
from nightschool.jobs.policy import PolicyDecision, decide, hours_left_s, work_end
from nightschool.jobs.presence import own_pids, worker_alive
from nightschool.jobs.signals.signal import Signals
from nightschool.jobs.signals.snapshot import read_snapshot
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import STAGES, Run, RunState, StageName

# Measured on two cores: scoring with an adapter takes 1.25 times as long, a report 10 s.
_ADAPTER_SLOWDOWN, _COMPARE_S = 1.25, 10.0
_ROUND_S = 300


@dataclass(frozen=True, slots=True)
class WorkSchedule:
    """When a run works if nothing stops it. Times are seconds since the epoch."""

    starts: float | None
    """None: no window opens within two weeks."""
    done: float | None
    """None: the time it takes is unknown, or longer than two weeks."""
    nights: int
    """The number of nights it takes."""
    text: str


@dataclass(frozen=True, slots=True)
class NightForecast:
    """What a worker would decide now, and what follows from it."""

    run: Run | None
    """The next run to work on."""
    decision: PolicyDecision
    window: Window | None
    """The next window that opens."""
    schedule: WorkSchedule | None
    """None unless the run waits for the night, and None while it is paused without an end."""
    worker: int | None
    """The worker's process id, 0 if it is unknown, None if no worker runs."""
    failed: Run | None = None
    """The newest run, if it failed and nothing is queued."""


def forecast_night(
    school: School, night: NightSettings, now: float, signals: Signals | None = None
) -> NightForecast:
    """Decide as a worker would at `now`; without signals, only the owner's requests and the clock count."""
    with Ledger(school.ledger_file, writes=False) as ledger:
        run, history = ledger.next_run(), read_history(ledger, now)
        control = ledger.control()
        decision = decide(run, control, signals, night, now, history)
        schedule = None
        if run and run.timing == "tonight" and (control.paused_until or not control.paused):
            retry_at = history.failures.retry_at if history.failures else now
            paused_until = max(control.paused_until or now, retry_at)
            schedule = schedule_work(night, work_left_s(ledger, run), now, history, paused_until)
        newest = None if run else ledger.newest_run()
    failed = newest if newest and newest.state == "failed" else None
    window, worker = next_window(night, now), worker_alive(school)
    return NightForecast(run, decision, window, schedule, worker, failed)


def read_signals(school: School, night: NightSettings) -> Signals:
    """The signals that the worker read last, or else a reading of our own, which takes up to a second."""
    if worker_alive(school) is not None and (
        shared := read_snapshot(school.signals_file, time.time())
    ):
        return shared
    from nightschool.jobs.signals.sensors import Sensors  # lazy: psutil

    pids = own_pids(school)
    return Sensors(school.root, night.exclusive, lambda: pids).read()


def work_left_s(ledger: Ledger, run: Run) -> float | None:
    """Seconds of work that a run still needs, or None if nothing like it has been measured yet.

    Training is estimated from the pace of its own steps, scoring from the baseline stage, and stages
    that have not begun from the newest finished run.
    """
    finished = ledger.newest_run(RunState.DONE)
    total_s = 0.0
    for stage in ledger.stages(run.id)[: STAGES.index(run.goal) + 1]:
        if stage.state == "done":
            continue
        worked_s = ledger.seconds(run.id, stage.name)
        if stage.name == "train" and stage.step and stage.total_steps:
            total_s += worked_s / stage.step * (stage.total_steps - stage.step)
        elif stage.name == "evaluate" and (
            baseline_s := ledger.seconds(run.id, StageName.BASELINE)
        ):
            total_s += max(0.0, _ADAPTER_SLOWDOWN * baseline_s - worked_s)
        elif finished is not None:
            total_s += max(0.0, ledger.seconds(finished.id, stage.name) - worked_s)
        elif stage.name == "compare":
            total_s += _COMPARE_S
        elif stage.name != "prep":
            return None
    return total_s


def schedule_work(
    night: NightSettings,
    work_s: float | None,
    now: float,
    history: History,
    paused_until: float = 0.0,
) -> WorkSchedule:
    """Fit `work_s` seconds of work (None: unknown) into the windows of the coming two weeks."""
    remaining_s = math.inf if work_s is None else work_s
    starts = done = None
    hours_left: dict[date, float] = {}
    used: list[Window] = []
    for window in windows(night, max(now, paused_until)):
        if window.evening not in hours_left:
            hours_left[window.evening] = hours_left_s(night, window, now, history)
        begin = max(now, paused_until, window.opens)
        free_s = min(work_end(night, window) - begin, hours_left[window.evening])
        if free_s <= 0:
            continue
        used.append(window)
        starts = begin if starts is None else starts
        hours_left[window.evening] -= free_s
        if remaining_s <= free_s:
            done = begin + remaining_s
            break
        remaining_s -= free_s
    nights = len({window.evening for window in used})
    text = _schedule_text(night, work_s, now, history, starts, done, nights)
    return WorkSchedule(starts, done, nights, text)


def _schedule_text(
    night: NightSettings, work_s: float | None, now: float, history: History,
    starts: float | None, done: float | None, nights: int,
) -> str:  # fmt: skip
    if starts is None:
        return "no window opens within two weeks (night.days)"
    if history.running and starts == now:
        begin = "working now"
    else:
        begin = f"starts {_start_text(night, starts, now)} if idle"
    if work_s is None:
        return f"{begin}; the time left is known once three steps are timed"
    work = f"{begin}, {format_duration(work_s)} of work"
    if done is None:
        return f"{work}: more than two weeks"
    rounded = math.ceil(done / _ROUND_S) * _ROUND_S
    ends = f"done by about {_time_text(night, rounded, now)}"
    if nights > 1:
        return f"{work} over {nights} nights, {ends}"
    return f"{work}, {ends}{_fallback_text(night, starts, now)}"


def _fallback_text(night: NightSettings, starts: float, now: float) -> str:
    """When work resumes if it is not done in the night that `starts` falls into."""
    first, *later = windows(night, starts)
    following = next((window for window in later if window.evening != first.evening), None)
    if following is None:
        return ""
    day = following.evening
    days_ahead = (day - local(night, now).date()).days
    if days_ahead < 1:
        resumes = f"at {_time_text(night, following.opens, now)}"
    elif days_ahead == 1:
        resumes = "tomorrow"
    else:
        resumes = f"on {day:%A}" if days_ahead < 7 else f"on {day:%a} {day.day} {day:%b}"
    return f", otherwise resumes {resumes}"


def _start_text(night: NightSettings, starts: float, now: float) -> str:
    if starts == now:
        return "now"
    shown = local(night, starts)
    soon = starts - now < 24 * 3600
    return f"at {shown:%H:%M}" if soon else f"{shown:%A} at {shown:%H:%M}"


def _time_text(night: NightSettings, at: float, now: float) -> str:
    shown = local(night, at)
    soon = at - now < 24 * 3600
    return f"{shown:%H:%M}" if soon else f"{shown:%a %H:%M}"
