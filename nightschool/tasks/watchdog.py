"""The watchdog of a child process: finds that it hangs, or exceeds the limits of its phase."""

from __future__ import annotations

import time
from contextlib import suppress

from nightschool.learning.phases import START, WORK, Phase
from nightschool.ledger.outcomes import Outcome
from nightschool.tasks.channel import Alive, ChildMessage, Ended, PhaseBegan

# At most this much of the time between two looks counts: the computer, or this process, may have slept.
_MAX_STEP_S = 2.0
# After its ending, a child only exits.
_EXITING = Phase(name="exiting", silent_s=60)
_OTHER_BASE = "set another base, then `run --new`"


class Watchdog:
    """Watches one child. `heard` receives its messages; `finding` says what is wrong, if anything is."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._phase = START
        self._silent_s = 0.0
        self._looked = time.monotonic()
        self._processor_s = 0.0
        self._memory = 0
        self._ended = False

    def heard(self, message: ChildMessage) -> bool:
        """Note a sign of life; returns whether the message was meant for the watchdog alone."""
        self._silent_s = 0.0
        if isinstance(message, PhaseBegan):
            self._begin(message.phase)
        elif isinstance(message, Ended):
            self._ended = True
            self._begin(_EXITING)
        elif self._phase is START:
            self._begin(WORK)
        return isinstance(message, Alive | PhaseBegan)

    def finding(self) -> Ended | None:
        """The ending of a child that has to be killed, once; None while all is well."""
        now = time.monotonic()
        self._silent_s += min(now - self._looked, _MAX_STEP_S)
        self._looked = now
        return None if self._ended else self._exceeded() or self._hung()

    @property
    def lingers(self) -> bool:
        """Whether the child has sent its ending long ago, and still exists."""
        return self._ended and self._silent_s > _EXITING.silent_s

    def _begin(self, phase: Phase) -> None:
        self._phase = phase
        if phase.processor_s is not None or phase.memory is not None:
            self._processor_s, self._memory = self._used()

    def _hung(self) -> Ended | None:
        phase = self._phase
        if self._silent_s <= phase.silent_s:
            return None
        minutes = f"{phase.silent_s / 60:.0f} min"
        return Ended(
            outcome=Outcome.LOST,
            reason=f"its process gave no sign of life for {minutes} ({phase.name}) and was killed",
        )

    def _exceeded(self) -> Ended | None:
        """Not by the clock: a stuck disk or a busy computer is not the base's fault."""
        phase = self._phase
        if phase.processor_s is None and phase.memory is None:
            return None
        processor_s, memory = self._used()
        if phase.processor_s is not None and processor_s - self._processor_s > phase.processor_s:
            much = f"{phase.processor_s:.0f} s of computing"
        elif phase.memory is not None and memory - self._memory > phase.memory:
            much = f"{phase.memory / 1e9:.1f} GB of memory"
        else:
            return None
        return Ended(
            outcome=Outcome.FAILED,
            reason=f"{phase.name} takes more than {much} and was ended: {_OTHER_BASE}",
        )

    def _used(self) -> tuple[float, int]:
        """Processor time in seconds, and memory in bytes; what was known before if the child is gone."""
        import psutil  # lazy: psutil

        with suppress(psutil.Error, OSError):
            process = psutil.Process(self._pid)
            times = process.cpu_times()
            return times.user + times.system, process.memory_info().rss
        return self._processor_s, self._memory
