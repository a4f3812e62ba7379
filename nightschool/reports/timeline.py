"""The night as spans of time: when each stage worked, and when and why nothing did."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from nightschool.reports.contract import Report

STAGES = ("prep", "baseline", "train", "evaluate", "compare")
_ENDED = re.compile(rf"({'|'.join(STAGES)})(?: done|: (\w+)(?: \((.*)\))?)", re.DOTALL)
_RUN = re.compile(r"run \d+ (\w+)(?:: (.*))?.*", re.DOTALL)
_QUEUED = "queued"
_REASONS = {
    "paused": "paused by its owner",
    "stopped": "the worker was stopped",
    "window_closed": "outside the night's window",
    "device_busy": "the device was busy",
    "lost": "its process ended early",
    "cancelled": "cancelled by its owner",
    "failed": "failed",
    "waiting": "no later stage was asked for",
    _QUEUED: "queued",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the run, in seconds since the epoch; `stage` worked, or waited for `reason`."""

    stage: str
    start: float
    end: float
    state: Literal["worked", "waited"]
    reason: str = ""

    @property
    def seconds(self) -> float:
        return self.end - self.start


def spans(report: Report) -> list[Span]:
    """The run's spans in order, from the log's lines; empty where these do not tell.

    A line says what ended, so the time before it belongs to the stage that it names. What was
    interrupted waits until the next line of work; what runs last is the comparison itself.
    """
    try:
        lines = [
            (datetime.fromisoformat(entry["at"]).timestamp(), entry["event"])
            for entry in report["timeline"]
        ]
        created = datetime.fromisoformat(report["created"]).timestamp()
    except (ValueError, OverflowError, OSError):
        return []
    if not any(_ENDED.fullmatch(line) for _, line in lines):
        return []
    found = list(_walk(lines, created))
    return [span for span in _joined(found) if span.seconds > 0]


def _walk(lines: Sequence[tuple[float, str]], created: float) -> Iterator[Span]:
    start, waits, stage = lines[0][0], _QUEUED, STAGES[0]
    for at, line in lines:
        run, ended = _RUN.fullmatch(line), _ENDED.fullmatch(line)
        outcome = (ended[2] if ended else run[1] if run else None) or ""
        if run and outcome not in _REASONS:
            continue  # a promotion, for one, says nothing about work
        if waits and not (run and outcome == _QUEUED):
            yield Span(stage, start, at, "waited", _REASONS.get(waits, waits.replace("_", " ")))
            start, waits = at, ""
        if ended:
            stage = ended[1]
            yield Span(stage, start, at, "worked")
            start = at
            waits = outcome if outcome not in ("", "chunk_done") else ""
            if not outcome:
                stage = STAGES[min(STAGES.index(stage) + 1, len(STAGES) - 1)]
        elif run and outcome != _QUEUED:
            yield Span(stage, start, at, "worked")
            start, waits = at, outcome
    yield Span(stage, start, created, "waited" if waits else "worked", _REASONS.get(waits, waits))


def _joined(found: Sequence[Span]) -> list[Span]:
    """Chunks of one stage that follow each other without a wait are one span."""
    joined: list[Span] = []
    for span in found:
        last = joined[-1] if joined else None
        if last and (last.stage, last.state, last.reason) == (span.stage, span.state, span.reason):
            joined[-1] = Span(span.stage, last.start, span.end, span.state, span.reason)
        else:
            joined.append(span)
    return joined
