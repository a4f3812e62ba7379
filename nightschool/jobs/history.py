"""What happened before, as far as the policy looks at it; all of it is in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nightschool.jobs.reasons import DISTURBANCES
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import FRUITLESS, Outcome, Reason
from nightschool.ledger.records import Attempt, PastDecision

_NEWEST = 200
_ATTEMPTS_S = 2 * 24 * 3600.0
# A stage or chunk that begins so soon after another continues it.
_CONTINUES_S = 60.0
# Given before heat is looked at, so that they say nothing of it.
_BEFORE_HEAT = (Reason.NO_WORKER, Reason.NOTHING_TO_DO, Reason.PAUSED, Reason.WOKE,
                Reason.DEVICE_BUSY, Reason.NOTES_GONE, Reason.SUSPENDING, Reason.DISK_FULL)  # fmt: skip


@dataclass(frozen=True, slots=True)
class History:
    """Times are seconds since the epoch."""

    running: bool = False
    """Whether work may go on by the last decision."""
    hot: bool = False
    """Whether the GPU was too hot and has not cooled down."""
    disturbed: Reason | None = None
    """The last reason that has to be over for a while before work goes on."""
    quiet_since: float | None = None
    """When `disturbed` was over; None: it is the last decision."""
    starts: tuple[float, ...] = ()
    """When work went on after it had been stopped, oldest first; stages and chunks in a row are one."""
    stretches: tuple[tuple[float, float | None], ...] = ()
    """When work went on, from when to when; to None: it goes on still. What crashed counts, too."""
    ended: tuple[Outcome | Reason, float] | None = None
    """How the newest attempt ended, and when; None: it works still, or there was none."""
    woke: bool = False
    """Whether the computer slept, or its clock was set, since the last decision."""

    def worked_s(self, begin: float, end: float, now: float) -> float:
        """Seconds of work between two moments."""
        return sum(
            max(0.0, min(end, now if ended is None else ended) - max(begin, started))
            for started, ended in self.stretches
        )


def read_history(ledger: Ledger, now: float) -> History:
    """The history until now."""
    return history_of(ledger.decisions(_NEWEST), ledger.attempts(now - _ATTEMPTS_S))


def history_of(past: Sequence[PastDecision], attempts: Sequence[Attempt]) -> History:
    """History from decisions, the newest first, and attempts, the oldest first."""
    # What was so while no worker was there, nobody saw.
    seen = [one for one in past if one.reason != Reason.NO_WORKER]
    disturbed = next((n for n, one in enumerate(seen) if one.reason in DISTURBANCES), None)
    heat = next((one.reason for one in past if one.reason not in _BEFORE_HEAT), None)
    last = attempts[-1] if attempts else None
    worked = [one for one in attempts if one.outcome not in FRUITLESS]
    return History(
        running=bool(past) and past[0].allowed,
        hot=heat == Reason.TOO_HOT,
        disturbed=None if disturbed is None else seen[disturbed].reason,
        quiet_since=seen[disturbed - 1].at if disturbed else None,
        starts=tuple(
            one.started
            for before, one in zip([None, *worked], worked, strict=False)
            if not (before and _continues(before, one))
        ),
        stretches=tuple((one.started, one.ended) for one in worked),
        ended=(last.outcome, last.ended) if last and last.outcome and last.ended else None,
    )


def _continues(before: Attempt, one: Attempt) -> bool:
    if before.outcome not in (Outcome.FINISHED, Outcome.CHUNK_DONE) or before.ended is None:
        return False
    return one.started - before.ended < _CONTINUES_S
