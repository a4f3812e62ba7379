"""A night's summary in words: for `status`, and for the notification in the morning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from nightschool.config.durations import format_duration
from nightschool.ledger.records import RunState
from nightschool.reports.night_summary import NightSummary, RunSummary
from nightschool.reports.text.reason_names import reason_name
from nightschool.reports.text.wording import counted, percent
from nightschool.stats.terms import Decision

_DECISIONS = {
    Decision.PROMOTE: "the new model is in use",
    Decision.KEEP: "the previous model stays in use",
    Decision.INCONCLUSIVE: "the test notes are too few to tell, so the previous model stays in use",
}


def lines(night: NightSummary, name: str = "last night") -> list[str]:
    """One line for the night, and one for each run."""
    return [f"{name}: {summary(night)}", *(outcome(run) for run in night.runs)]


def summary(night: NightSummary) -> str:
    """'trained 3 h 10 min (412 of 648 steps), interrupted 2 times (computer in use 6 min, ...)'."""
    reasons = ", ".join(
        f"{reason_name(interruption.reason)} {format_duration(interruption.seconds)}"
        for interruption in night.interruptions
    )
    if not night.worked_s:
        return f"no work was done: {reasons}" if reasons else "no work was done"
    steps = sum(run.steps for run in night.runs)
    if steps:
        total = sum(run.total_steps for run in night.runs if run.steps)
        text = f"trained {format_duration(night.trained_s)} ({steps:,} of {counted(total, 'step')})"
    else:
        text = f"worked {format_duration(night.worked_s)}"
    if reasons:
        times = sum(interruption.times for interruption in night.interruptions)
        text += f", interrupted {counted(times, 'time')} ({reasons})"
    return text


def outcome(run: RunSummary) -> str:
    """The state of a run after a night, in a line."""
    if run.state == RunState.DONE and run.before is not None and run.after is not None:
        right = f"{percent(run.before)} of the test notes right before, {percent(run.after)} after"
        decision = f"; {_DECISIONS[run.decision]}" if run.decision else ""
        return f"run {run.run}: {right}{decision}"
    if run.state in (RunState.QUEUED, RunState.RUNNING):
        progress = f" at step {run.reached:,} of {run.total_steps:,}" if run.total_steps else ""
        last = f"; last stop: {reason_name(run.stopped)}" if run.stopped else ""
        return f"run {run.run} continues{progress}{last}"
    return f"run {run.run} {run.state}" + (f": {run.reason}" if run.reason else "")


def notification(night: NightSummary) -> tuple[str, str]:
    """Title and text of the morning notification."""
    done = [run for run in night.runs if run.state == RunState.DONE]
    failed = [run for run in night.runs if run.state == RunState.FAILED]
    if failed:
        title = f"nightschool: run {failed[-1].run} failed"
    elif done and done[-1].decision == Decision.PROMOTE:
        title = "nightschool: a better model is in use"
    elif done:
        title = f"nightschool: run {done[-1].run} is done"
    elif not night.worked_s:
        title = "nightschool did no work last night"
    else:
        title = f"nightschool trained {format_duration(night.trained_s or night.worked_s)}"
    return title, "\n".join(lines(night))


def as_dict(night: NightSummary) -> Mapping[str, Any]:
    """The summary for `status --json`; times are ISO 8601 with an offset."""
    return {
        "start": _iso(night.start),
        "end": _iso(night.end),
        "worked_s": night.worked_s,
        "trained_s": night.trained_s,
        "aside": [asdict(interruption) for interruption in night.interruptions],
        "runs": [
            {**asdict(run), "stopped": run.stopped or "", "decision": run.decision or ""}
            for run in night.runs
        ],
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")
