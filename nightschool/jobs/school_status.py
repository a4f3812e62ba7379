"""What `status` shows: the runs, the policy's decision, the plan for tonight, the last night, new notes."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from nightschool.config.local_time import clock_text, iso_text, pause_text
from nightschool.config.night_settings import NightSettings
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.jobs.forecast import NightForecast, forecast_night
from nightschool.jobs.morning_notification import newest_nights
from nightschool.jobs.note_check import current_note_check, hint, note_check_json
from nightschool.jobs.presence import TROUBLE
from nightschool.jobs.reasons import MEANINGS
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import Control, PastDecision, Run, RunState, Stage, StageState
from nightschool.ledger.school_lock import elsewhere, worker_elsewhere
from nightschool.reports.text import night_text

_FULL_BYTES = 1e6
_PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class RunStatus:
    """One run; the fields are the keys of its JSON."""

    id: int
    state: str
    """Its RunState, or "paused" for a queued run while all work is paused."""
    stage: str
    step: int
    total_steps: int
    eta_s: float | None
    """Seconds until its stage is done; None if it is not running or that is unknown."""
    reason: str


@dataclass(frozen=True, slots=True)
class SchoolStatus:
    """A school at one moment."""

    runs: tuple[RunStatus, ...]
    """The newest runs, the open ones and the one whose model is in use; oldest first."""
    earlier: int
    """How many other runs there are."""
    in_use: int | None
    """The run whose model is in use."""
    pause: str
    """The pause and its end as text; empty if work is not paused."""
    allowed: bool
    reason: str
    """The policy's reason for its decision, or "paused"."""
    detail: str
    """The same for a reader."""
    outlook: NightForecast
    elsewhere: str
    """A worker of this school on another computer, or behind another mount; "" if there is none."""
    disk_full: bool
    news: tuple[str, ...]
    """Lines on the last night, the current one, and new notes."""
    news_json: dict[str, Any]
    """`night` and `notes` of the JSON."""

    def as_json(self, night: NightSettings) -> dict[str, Any]:
        """The value that `status --json` prints."""
        plan = self.outlook.schedule
        return {
            "runs": [asdict(run) for run in self.runs],
            "earlier_runs": self.earlier,
            "decision": {"run": self.allowed, "reason": self.reason},
            "plan": plan
            and {
                "run": self.outlook.run.id if self.outlook.run else None,
                "starts": iso_text(night, plan.starts),
                "done": iso_text(night, plan.done),
                "nights": plan.nights if plan.done else None,
                "text": plan.text,
            },
            **self.news_json,
        }


def read_status(school: School, settings: Settings, newest: int | None = None) -> SchoolStatus:
    """The status now, from the ledger and the clock; signals are not read.

    It has the `newest` runs, and older ones only if they are open or in use; without a number, all runs.
    """
    night, now = settings.night, time.time()
    outlook = forecast_night(school, night, now)
    with Ledger(school.ledger_file, writes=False) as ledger:
        control = ledger.control()
        if outlook.worker is None:  # what a worker decided before it ended is no longer valid
            control = replace(control, run_allowed=False, decision_reason=Reason.NO_WORKER)
        pause = pause_text(night, control.paused_until) if control.paused else ""
        promotions, decisions, count = ledger.promotions(), ledger.decisions(1), ledger.count_runs()
        runs = tuple(
            run_status(run, ledger.stages(run.id), pause, outlook.worker is not None)
            for run in ledger.newest_runs(count if newest is None else newest, *promotions[-1:])
        )
        news, news_json = _news(school, settings, ledger, now)
    return SchoolStatus(
        runs=runs,
        earlier=count - len(runs),
        in_use=promotions[-1] if promotions else None,
        pause=pause,
        allowed=control.run_allowed and not control.paused,
        reason=_reason(control),
        detail=_detail(outlook, decisions[0] if decisions else None, night) or _reason(control),
        outlook=outlook,
        elsewhere=elsewhere(school.state).message if worker_elsewhere(school.state) else "",
        disk_full=shutil.disk_usage(school.root).free < _FULL_BYTES,
        news=news,
        news_json=news_json,
    )


def run_status(run: Run, stages: list[Stage], pause: str, has_worker: bool) -> RunStatus:
    """A run's row; a run that a dead worker left running is shown as queued."""
    stage = next((s for s in stages if s.state != StageState.DONE), stages[-1])
    abandoned = run.state == RunState.RUNNING and not has_worker
    state: str = RunState.QUEUED if abandoned else run.state
    if pause and state == RunState.QUEUED:
        state = _PAUSED
    return RunStatus(
        id=run.id,
        state=state,
        stage=stage.name,
        step=stage.step,
        total_steps=stage.total_steps,
        eta_s=stage.eta_s if state == RunState.RUNNING else None,
        reason=pause if state == _PAUSED else run.reason,
    )


def _reason(control: Control) -> str:
    return _PAUSED if control.paused else control.decision_reason


def _detail(outlook: NightForecast, newest: PastDecision | None, night: NightSettings) -> str:
    """Why work is allowed or not; the clock as of now, a signal's values as of the decision."""
    if outlook.worker is not None and newest and newest.reason in TROUBLE:
        return f"{MEANINGS[newest.reason].what} ({newest.detail})"
    if not outlook.decision.run:
        return outlook.decision.detail
    if newest is None or newest.allowed or not newest.detail:
        return newest.detail if newest else ""
    return f"{newest.detail} (since {clock_text(night, newest.at)})"


def _news(
    school: School, settings: Settings, ledger: Ledger, now: float
) -> tuple[tuple[str, ...], dict[str, Any]]:
    nights = newest_nights(ledger, settings.night, now)
    seen = current_note_check(school, ledger)
    lines = [f"{name}: {night_text.summary(night)}" for name, night in nights]
    # A run of both nights gets one line, with its present state.
    runs = {run.run: run for _, night in nights for run in night.runs}
    lines += [night_text.outcome(run) for run in runs.values()]
    if new_notes := hint(seen, settings.retrain):
        lines.append(new_notes)
    return tuple(lines), {
        "night": night_text.as_dict(nights[-1][1]) if nights else None,
        "notes": note_check_json(seen, settings.retrain),
    }
