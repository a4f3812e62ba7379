"""A run's time as spans: when each stage worked, and when and why nothing did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from nightschool.stats.terms import SpanReason, SpanState

if TYPE_CHECKING:
    from nightschool.stats.results import Report


@dataclass(frozen=True, slots=True)
class Span:
    """A span of a run, in seconds since the epoch. `reason` is why it did not work; None if it did."""

    stage: str
    start: float
    end: float
    state: SpanState
    reason: SpanReason | None = None

    @property
    def seconds(self) -> float:
        return self.end - self.start


def spans_of(report: Report) -> list[Span]:
    """The report's spans in order; empty if it has none, or if their times cannot be read."""
    try:
        return [
            Span(
                span.stage,
                datetime.fromisoformat(span.start).timestamp(),
                datetime.fromisoformat(span.end).timestamp(),
                span.state,
                span.reason or None,
            )
            for span in report.night
        ]
    except (ValueError, OverflowError, OSError):
        return []
