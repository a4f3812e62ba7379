"""The night as stretches of time: when each stage worked, and when and why nothing did."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from nightschool.stats.results import Report
from nightschool.stats.terms import SpanState

STAGES = ("prep", "baseline", "train", "evaluate", "compare")

# How an attempt ended, or what the policy said (jobs.reasons), short enough for a chart.
_REASONS: Mapping[str, str] = {
    "cancelled": "cancelled",
    "cpu_busy": "processor in use",
    "device_busy": "the device in use",
    "exclusive_program": "a program that goes first",
    "failed": "failed",
    "finish_by": "night over",
    "gpu_busy": "GPU in use",
    "hours_used": "the night's hours used up",
    "killed": "its process was killed",
    "lost": "its process ended",
    "no_worker": "no worker",
    "notes_gone": "notes out of reach",
    "outside_window": "outside the window",
    "owner_active": "owner there",
    "presenting": "screen in use",
    "stopped": "worker stopped",
    "suspending": "asleep",
    "too_hot": "GPU too hot",
    "window_closed": "outside the window",
    "woke": "asleep",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a run, in seconds since the epoch; `reason` (a key, see `in_words`) is why it did not work.

    `state`: see `SpanState`.
    """

    stage: str
    start: float
    end: float
    state: SpanState
    reason: str = ""

    @property
    def seconds(self) -> float:
        return self.end - self.start


def in_words(reason: str) -> str:
    """'owner_active' -> 'owner there'."""
    return _REASONS.get(reason, reason.replace("_", " "))


def spans(report: Report) -> list[Span]:
    """The report's stretches in order; empty where it has none, or their times are none."""
    try:
        return [
            Span(
                one.stage,
                datetime.fromisoformat(one.start).timestamp(),
                datetime.fromisoformat(one.end).timestamp(),
                one.state,
                one.reason,
            )
            for one in report.night
        ]
    except (ValueError, OverflowError, OSError):
        return []
