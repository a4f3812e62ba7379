"""Queues runs and claims their stages, as a worker does."""

from __future__ import annotations

from dataclasses import dataclass

from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import Claim, StageName, Timing


@dataclass
class Clock:
    """A clock that tests set."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def add(ledger: Ledger, goal: StageName = StageName.COMPARE, timing: Timing = Timing.NOW) -> int:
    return ledger.add_run({"base": "demo"}, goal, timing).id


def claimed(ledger: Ledger, run: int) -> Claim:
    claim = ledger.claim(run, "worker")
    assert claim is not None
    return claim


def finish_all(ledger: Ledger, run: int, *, but: int = 0) -> None:
    """Finish the stages of a run, except for the last `but`."""
    for _ in range(len(StageName) - but):
        ledger.finish(claimed(ledger, run), {})


def lose(ledger: Ledger, run: int, outcome: Outcome = Outcome.LOST) -> None:
    ledger.interrupt(claimed(ledger, run), outcome, "its process ended with code -11")
