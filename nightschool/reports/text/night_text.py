"""What a night did, in words: for `status`, and for the notification in the morning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from nightschool.config.durations import format_duration
from nightschool.reports.text.wording import counted, percent
from nightschool.reports.timeline import in_words
from nightschool.stats.terms import Decision

_DECISIONS = {
    "promote": "its model is in use now",
    "keep": "the model before it stays in use",
    "inconclusive": "the test notes cannot tell, so nothing is replaced",
}


@dataclass(frozen=True, slots=True)
class RunOfNight:
    """A run that was worked on. `before` and `after` are shares of test notes sorted right, where it is done.

    `steps` of `total_steps` were trained in this night, `reached` is how far it is in all; `stopped` is how
    its last work ended (a key, see `timeline.in_words`).
    """

    run: int
    state: str
    reason: str
    steps: int
    reached: int
    total_steps: int
    stopped: str = ""
    before: float | None = None
    after: float | None = None
    decision: str = ""


@dataclass(frozen=True, slots=True)
class Aside:
    """How often and how long it stepped aside for one reason (a key, see `timeline.in_words`).

    Where nothing was done in a night, how long that held it up.
    """

    reason: str
    times: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Night:
    """A night, or what there is of one: times in seconds since the epoch, work in seconds."""

    start: float
    end: float
    worked_s: float
    trained_s: float
    aside: Sequence[Aside]
    runs: Sequence[RunOfNight]


def lines(night: Night, name: str = "last night") -> list[str]:
    """The night in a line, and one for each run."""
    return [f"{name}: {summary(night)}", *(outcome(run) for run in night.runs)]


def summary(night: Night) -> str:
    """'trained 3 h 10 min (412 of 648 steps), stepped aside 2 times (owner there 6 min, ...)'."""
    each = ", ".join(
        f"{in_words(one.reason)} {format_duration(one.seconds)}" for one in night.aside
    )
    if not night.worked_s:
        return f"nothing was done: {each}" if each else "nothing was done"
    steps = sum(run.steps for run in night.runs)
    if steps:
        total = sum(run.total_steps for run in night.runs if run.steps)
        said = f"trained {format_duration(night.trained_s)} ({steps:,} of {counted(total, 'step')})"
    else:
        said = f"worked {format_duration(night.worked_s)}"
    if each:
        times = sum(one.times for one in night.aside)
        said += f", stepped aside {counted(times, 'time')} ({each})"
    return said


def outcome(run: RunOfNight) -> str:
    """What became of a run, in a line."""
    if run.state == "done" and run.before is not None and run.after is not None:
        right = f"{percent(run.before)} of the test notes right before, {percent(run.after)} after"
        return f"run {run.run}: {right}; {_DECISIONS.get(run.decision, run.decision)}"
    if run.state in ("queued", "running"):
        far = f" at step {run.reached:,} of {run.total_steps:,}" if run.total_steps else ""
        last = f"; it stopped last: {in_words(run.stopped)}" if run.stopped else ""
        return f"run {run.run} goes on{far}{last}"
    return f"run {run.run} {run.state}" + (f": {run.reason}" if run.reason else "")


def notification(night: Night) -> tuple[str, str]:
    """Title and text."""
    done = [run for run in night.runs if run.state == "done"]
    failed = [run for run in night.runs if run.state == "failed"]
    if failed:
        title = f"nightschool: run {failed[-1].run} failed"
    elif done and done[-1].decision == Decision.PROMOTE:
        title = "nightschool: a better model is in use"
    elif done:
        title = f"nightschool: run {done[-1].run} is done"
    elif not night.worked_s:
        title = "nightschool did nothing last night"
    else:
        title = f"nightschool trained {format_duration(night.trained_s or night.worked_s)}"
    return title, "\n".join(lines(night))


def as_dict(night: Night) -> Mapping[str, Any]:
    """For `status --json`; times are ISO 8601 with an offset."""
    return {**asdict(night), "start": _iso(night.start), "end": _iso(night.end)}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")
