"""The worker of the simulation: it claims, performs and ends stages as the real one does."""

from __future__ import annotations

import random

from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import Claim, StageName, Timing
from nightschool.tasks.app import StageQueue, enqueue_due
from tools.simulated_nights.script import HOUR, MINUTE
from tools.simulated_nights.world import World

GRACE_S = 8.0
"""A child that was asked to stop is killed after this."""
CHUNK_S = 30 * MINUTE
REFUSED_AFTER_S = 20.0
"""How long a child takes to find the GPU busy."""


class SimulatedWorker:
    """Stands in for Huey's thread, the runner and its child, without threads and processes."""

    def __init__(self, ledger: Ledger, queue: StageQueue, world: World, seed: int) -> None:
        self._ledger, self._queue, self._world = ledger, queue, world
        self._dice = random.Random(seed)
        self.claim: Claim | None = None
        self.continues = False
        self.runs_done = self.lost = 0
        self.refused: list[float] = []
        """When the GPU was found busy with another school's run."""
        self.started = 0.0
        self._ends = 0.0
        self._outcome: Outcome | Reason = Outcome.CHUNK_DONE
        self._stopping: float | None = None
        self._progress_at = 0.0
        self._left = 0.0

    @property
    def working(self) -> bool:
        return self.claim is not None

    @property
    def stopping(self) -> bool:
        return self._stopping is not None

    def step(self) -> None:
        """Bring the child up to the present."""
        t = self._world.t
        if self.claim is None:
            if self._queue.huey.dequeue():
                self._start()
            return
        if self._stopping is not None:
            if t >= self._stopping:
                reason = self._ledger.control().decision_reason
                self._ledger.interrupt(self.claim, Reason.OUTSIDE_WINDOW, reason)
                self._end(continues=False)
        elif not self._ledger.control().run_allowed:
            self._stopping = t + self._dice.uniform(0.2, GRACE_S)
        elif t >= self._ends:
            self._finish()
        elif t - self._progress_at > 5 * MINUTE:
            self._progress_at = t
            self._ledger.progress(self.claim, int(t) % 100_000, 100_000, 1.0, None)

    def _start(self) -> None:
        run = self._ledger.next_run()
        control = self._ledger.control()
        if run is None or not control.run_allowed or control.decision_run != run.id:
            return
        self.claim = self._ledger.claim(run.id, "worker")
        if self.claim is None:
            return
        t = self._progress_at = self.started = self._world.t
        if self._world.script.gpu_taken.at(t):
            self._outcome, self._ends = Reason.DEVICE_BUSY, t + REFUSED_AFTER_S
            self.continues = False
            self.refused.append(self._ends)
            return
        if self.claim.stage is not StageName.TRAIN:
            self._outcome, self._ends = Outcome.FINISHED, t + self._dice.uniform(10, 300)
            return
        self._left = self._left or self._dice.uniform(1, 12) * HOUR
        if self._dice.random() < 0.01:
            self._outcome, self._ends = Outcome.LOST, t + self._dice.uniform(1, CHUNK_S)
        elif self._left <= CHUNK_S:
            self._outcome, self._ends = Outcome.FINISHED, t + self._left
        else:
            self._outcome, self._ends = Outcome.CHUNK_DONE, t + CHUNK_S

    def _finish(self) -> None:
        assert self.claim
        if self._outcome is Outcome.LOST:
            self.lost += 1
            self._ledger.interrupt(self.claim, Outcome.LOST, "its process ended with code -11")
            self._end(continues=False)
            return
        if self._outcome is Reason.DEVICE_BUSY:
            self._ledger.interrupt(self.claim, Reason.DEVICE_BUSY, "")
            self._end(continues=False)
            return
        if self._outcome is Outcome.FINISHED:
            if self.claim.stage is StageName.TRAIN:
                self._left = 0.0
            self._ledger.finish(self.claim, {})
            if self.claim.stage is StageName.COMPARE:
                self.runs_done += 1
                self._ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT)
        else:
            self._left -= CHUNK_S
            self._ledger.interrupt(self.claim, Outcome.CHUNK_DONE, "")
        run = self.claim.run
        self._end(continues=True)
        enqueue_due(self._queue, self._ledger, run)

    def _end(self, *, continues: bool) -> None:
        self.claim, self._stopping, self.continues = None, None, continues
