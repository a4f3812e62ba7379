"""Errors that pass, in virtual time: the real policy and ledger against attempts that fail at random."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest

from nightschool.config.night import window_at
from nightschool.jobs.history import read_history
from nightschool.jobs.policy import decide
from nightschool.ledger.failures import MAX_FAILURES
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import RETRIED, Outcome, Reason
from nightschool.ledger.records import Claim, RunState, StageName, Timing
from tests.jobs.nights import at, night, signals

NIGHT = night(quiet_minutes=0.0)
STEPS = 40


class Nights:
    """A worker in virtual time; a share of its attempts ends with an error."""

    def __init__(self, folder: Path, seed: int, share: float, final: bool = False) -> None:
        self.now = at("18:00")
        self.dice = random.Random(seed)
        self.share, self.final = share, final
        self.ledger = Ledger(folder / f"{seed}.db", lambda: self.now, durable=False)

    def work(self, run: int) -> RunState:
        """Work until the run ends."""
        while (state := self.ledger.run(run).state) in (RunState.QUEUED, RunState.RUNNING):
            history, control = read_history(self.ledger, self.now), self.ledger.control()
            decision = decide(self.ledger.next_run(), control, signals(), NIGHT, self.now, history)
            self.ledger.decide(run, decision.run, decision.reason, decision.detail)
            if decision.run:
                claim = self.ledger.claim(run, "worker")
                assert claim and window_at(NIGHT, self.now)
                self.attempt(claim)
            else:
                if decision.reason is Reason.AFTER_ERROR:
                    assert "Input/output error" in decision.detail
                assert decision.next_check
                self.now = decision.next_check
        return state

    def attempt(self, claim: Claim) -> None:
        self.now += self.dice.uniform(1, 60)
        done = self.ledger.stage(claim.run, claim.stage).step
        if self.dice.random() < self.share:
            if claim.stage is StageName.TRAIN and self.dice.random() < 0.5:
                self.ledger.progress(claim, self.dice.randint(1, done + 1), STEPS, 1.0, None)
            outcome = self.dice.choice(RETRIED)
            self.ledger.interrupt(claim, outcome, "OSError: [Errno 5] Input/output error")
        elif self.final:
            self.ledger.fail(claim, "there is no folder ./nowhere")
        elif claim.stage is StageName.TRAIN and done < STEPS:
            self.ledger.progress(claim, min(done + 10, STEPS), STEPS, 1.0, None)
            self.ledger.interrupt(claim, Outcome.CHUNK_DONE, "")
        else:
            self.ledger.finish(claim, {})


def test_a_run_with_passing_errors_is_always_done(tmp_path: Path) -> None:
    for seed in range(12):
        nights = Nights(tmp_path, seed, share=0.3)
        run = nights.ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT).id
        assert nights.work(run) == "done", seed
        assert nights.now - at("18:00") < 5 * 86400, seed
        nights.ledger.close()


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_run_with_a_final_error_fails_once_with_its_line(tmp_path: Path, share: float) -> None:
    nights = Nights(tmp_path, 1, share, final=True)
    run = nights.ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT).id
    assert nights.work(run) == "failed"
    assert nights.ledger.run(run).reason == "there is no folder ./nowhere"
    outcomes = [attempt.outcome for attempt in nights.ledger.attempts_of(run)]
    assert outcomes.count(Outcome.FAILED) == 1 and outcomes[-1] is Outcome.FAILED


def test_an_error_that_lasts_is_tried_over_two_nights_and_then_ends_the_run(tmp_path: Path) -> None:
    nights = Nights(tmp_path, 1, share=1.0)
    run = nights.ledger.add_run({}, StageName.PREP, Timing.TONIGHT).id
    assert nights.work(run) == "failed"
    attempts = nights.ledger.attempts_of(run)
    assert len(attempts) == MAX_FAILURES
    assert attempts[-1].started - attempts[0].started > 86400
    gaps = [b.started - (a.ended or 0.0) for a, b in pairwise(attempts)]
    assert all(gap >= 60 * 3**place for place, gap in enumerate(gaps[:7]))
    assert "Input/output error" in nights.ledger.run(run).reason
