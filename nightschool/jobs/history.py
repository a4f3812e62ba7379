"""What the policy needs to know of the past, from the ledger's decisions and attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nightschool.jobs.reasons import DISTURBANCES
from nightschool.ledger.failures import Failures
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import FRUITLESS, Outcome, Reason
from nightschool.ledger.records import Attempt, PastDecision

_NEWEST = 200
_ATTEMPTS_S = 2 * 24 * 3600.0
# A stage or chunk that starts this soon after another continues it.
_CONTINUES_S = 60.0
# These precede the rule about heat, so that a decision for one of them tells nothing about heat.
_BEFORE_HEAT = (Reason.NO_WORKER, Reason.BUG, Reason.QUEUE_DOWN, Reason.NOTHING_TO_DO, Reason.PAUSED,
                Reason.WOKE, Reason.DEVICE_BUSY, Reason.NOTES_GONE, Reason.AFTER_ERROR, Reason.SUSPENDING,
                Reason.DISK_FULL)  # fmt: skip


@dataclass(frozen=True, slots=True)
class History:
    """Times are seconds since the epoch."""

    running: bool = False
    """Whether the last decision allowed work."""
    hot: bool = False
    """Whether the GPU was too hot and has not cooled down yet."""
    disturbed: Reason | None = None
    """The last reason that must be absent for a while before work resumes."""
    quiet_since: float | None = None
    """When `disturbed` ended; None if it is the last decision."""
    starts: tuple[float, ...] = ()
    """When work started or resumed, oldest first; stages and chunks in a row count once."""
    stretches: tuple[tuple[float, float | None], ...] = ()
    """Start and end of each attempt, also of one that crashed; the end is None while it runs."""
    ended: tuple[Outcome | Reason, float] | None = None
    """How and when the newest attempt ended; None if it still runs or there was none."""
    failures: Failures | None = None
    """The failed attempts of the next run since its last progress."""
    woke: bool = False
    """Whether the computer slept or its clock was set since the last decision."""

    def worked_s(self, begin: float, end: float, now: float) -> float:
        """Seconds of work between `begin` and `end`."""
        return sum(
            max(0.0, min(end, now if ended is None else ended) - max(begin, started))
            for started, ended in self.stretches
        )


def read_history(ledger: Ledger, now: float) -> History:
    """The history up to `now`."""
    history = history_of(ledger.decisions(_NEWEST), ledger.attempts(now - _ATTEMPTS_S))
    run = ledger.next_run()
    return replace(history, failures=ledger.failures(run.id)) if run else history


def history_of(past: Sequence[PastDecision], attempts: Sequence[Attempt]) -> History:
    """The history from decisions, newest first, and attempts, oldest first."""
    # While no worker ran, nobody observed what was the case.
    observed = [decision for decision in past if decision.reason != Reason.NO_WORKER]
    disturbances = (n for n, decision in enumerate(observed) if decision.reason in DISTURBANCES)
    newest = next(disturbances, None)
    after_heat = (decision.reason for decision in past if decision.reason not in _BEFORE_HEAT)
    last = attempts[-1] if attempts else None
    worked = [attempt for attempt in attempts if attempt.outcome not in FRUITLESS]
    return History(
        running=bool(past) and past[0].allowed,
        hot=next(after_heat, None) == Reason.TOO_HOT,
        disturbed=None if newest is None else observed[newest].reason,
        quiet_since=observed[newest - 1].at if newest else None,
        starts=tuple(
            attempt.started
            for before, attempt in zip([None, *worked], worked, strict=False)
            if not (before and _continues(before, attempt))
        ),
        stretches=tuple((attempt.started, attempt.ended) for attempt in worked),
        ended=(last.outcome, last.ended) if last and last.outcome and last.ended else None,
    )


def _continues(before: Attempt, attempt: Attempt) -> bool:
    if before.outcome not in (Outcome.FINISHED, Outcome.CHUNK_DONE) or before.ended is None:
        return False
    return attempt.started - before.ended < _CONTINUES_S
