"""Failed attempts without progress: how many may follow each other, and how long the next one waits."""

from __future__ import annotations

from dataclasses import dataclass

from nightschool.ledger.records import StageName

MAX_FAILURES = 9
"""A stage fails after this many failed attempts without progress. With the delays between them they take
almost two days of clock time, so that an error has two nights to pass."""
FIRST_RETRY_S = 60.0
_GROWTH = 3.0
_LONGEST_RETRY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Failures:
    """The failed attempts at a stage since its last progress or `retry`."""

    stage: StageName
    count: int
    last: float
    """When the newest one ended, in seconds since the epoch."""
    reason: str
    """How the newest one ended, in words."""

    @property
    def retry_at(self) -> float:
        """When the stage may be tried again, in seconds since the epoch."""
        return self.last + retry_delay_s(self.count)

    def is_waiting(self, now: float) -> bool:
        """Whether it is too early for the next attempt; not if the clock was set back."""
        return self.last <= now < self.retry_at


def retry_delay_s(count: int) -> float:
    """Seconds between the newest of `count` failed attempts and the next one: 1, 3, 9 ... minutes."""
    return min(FIRST_RETRY_S * _GROWTH ** (count - 1), _LONGEST_RETRY_S)
