"""What is known now of the night to come: `why`, `status` and `run` ask as the worker does."""

from __future__ import annotations

import time
from dataclasses import dataclass

from nightschool.config.night import Window, next_window
from nightschool.config.night_settings import NightSettings
from nightschool.config.paths import School
from nightschool.jobs.history import read_history
from nightschool.jobs.policy import Decision, decide
from nightschool.jobs.presence import own_pids, worker_alive
from nightschool.jobs.signals.signal import Signals
from nightschool.jobs.signals.snapshot import left
from nightschool.jobs.tonight import NightForecast, plan
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import STAGES, Run

# With its adapter a base took that much longer to score, and the report so many seconds (two cores).
_SCORED_AGAIN, _COMPARE_S = 1.25, 10.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a worker would decide now, and on what grounds."""

    run: Run | None
    decision: Decision
    window: Window | None
    """The next one that opens."""
    plan: NightForecast | None
    """Of a run that waits for the night; None where it is paused without an end, too."""
    worker: int | None
    """The worker's process id, 0 where it is not known, None where there is none."""
    failed: Run | None = None
    """The newest run, where it failed and so nothing is queued."""


def look_ahead(
    school: School, night: NightSettings, now: float, signals: Signals | None = None
) -> Outlook:
    """Decide as a worker would now; without signals only by what the owner and the clock say."""
    with Ledger(school.ledger_file) as ledger:
        run, history = ledger.next_run(), read_history(ledger, now)
        control = ledger.control()
        decision = decide(run, control, signals, night, now, history)
        tonight = None
        if run and run.timing == "tonight" and (control.paused_until or not control.paused):
            since = control.paused_until or now
            tonight = plan(night, work_left_s(ledger, run), now, history, since)
        newest = None if run else ledger.newest_run()
    failed = newest if newest and newest.state == "failed" else None
    window, worker = next_window(night, now), worker_alive(school)
    return Outlook(run, decision, window, tonight, worker, failed)


def read_signals(school: School, night: NightSettings) -> Signals:
    """All signals, as the worker has just read them, else read once: that takes a second at most."""
    if worker_alive(school) is not None and (of_worker := left(school.signals_file, time.time())):
        return of_worker
    from nightschool.jobs.signals.sensors import Sensors

    mine = own_pids(school)
    return Sensors(school.root, night.exclusive, lambda: mine).read()


def work_left_s(ledger: Ledger, run: Run) -> float | None:
    """Seconds of work that a run still needs; None where nobody has measured that yet.

    Training by the pace of its own steps, scoring by what the baseline took, and what has not begun
    by what the newest finished run took.
    """
    finished = next((past.id for past in reversed(ledger.runs()) if past.state == "done"), None)
    left = 0.0
    for stage in ledger.stages(run.id)[: STAGES.index(run.goal) + 1]:
        if stage.state == "done":
            continue
        worked = ledger.seconds(run.id, stage.name)
        if stage.name == "train" and stage.step and stage.total_steps:
            left += worked / stage.step * (stage.total_steps - stage.step)
        elif stage.name == "evaluate" and (before := ledger.seconds(run.id, "baseline")):
            left += max(0.0, _SCORED_AGAIN * before - worked)
        elif finished is not None:
            left += max(0.0, ledger.seconds(finished, stage.name) - worked)
        elif stage.name == "compare":
            left += _COMPARE_S
        elif stage.name != "prep":
            return None
    return left
