"""The channel between a worker and its child process: one message a line, as JSON, over two pipes.

The parent sends a job (see `stages.child_jobs`), then an empty line every few seconds, its pulse, and
perhaps `Stop`. The child sends any number of messages, and `Ended` last. Both sides validate what they read.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from typing import Annotated, Any, BinaryIO, Literal, TextIO

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from nightschool.learning.phases import Phase, listen
from nightschool.ledger.artifacts import Artifact
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import EventKind
from nightschool.stages.child_jobs import CHILD_JOB, ChildJob, ClassifiedNote
from nightschool.stages.endings import Ending

ORPHANED = 70
"""The exit code of a child whose parent is gone."""

# How long a child may take to reach a step border and write its checkpoint before it is killed: the owner
# does not wait, and a killed child resumes from its last checkpoint.
GRACE_S = 8.0

PULSE_EVERY_S = 3.0
PULSE_LIMIT_S = 15.0
"""Without its parent's pulse for this long, a child stops: nobody would tell it to."""
# After a sleep of the computer, or a call that held all threads, that much is left for the next pulse.
_LATE_PULSE_S = 5.0
# Without a pulse for this long, a child exits even from within a call that holds all its threads. Imports
# from a slow disk may hold them for minutes.
_HELD_LIMIT_S = 300.0

# The parent need not hear more often; and if it is frozen, the pipe must not fill up before the child stops.
_PROGRESS_EVERY_S = 0.25
_ALIVE_EVERY_S = 10.0


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1


class Stop(_Message):
    """To the child: stop at the next step border."""

    command: Literal["stop"] = "stop"


class Progress(_Message):
    """How far the stage is; `loss` in nats, `eta_s` in seconds."""

    event: Literal["progress"] = "progress"
    step: int
    total: int
    loss: float | None = None
    eta_s: float | None = None


class LogLine(_Message):
    """A line for the run's log."""

    event: Literal["log"] = "log"
    kind: EventKind
    text: str


class Classified(_Message):
    """The answer for one note."""

    event: Literal["classified"] = "classified"
    note: ClassifiedNote


class Alive(_Message):
    """The main loop goes on, although there is nothing else to say."""

    event: Literal["alive"] = "alive"


class PhaseBegan(_Message):
    """What the child does from now on, with limits that the parent enforces."""

    event: Literal["phase"] = "phase"
    phase: Phase


class Ended(_Message):
    """How the job ended; the child exits after it."""

    event: Literal["ended"] = "ended"
    outcome: Outcome | Reason
    reason: str = ""
    result: dict[str, Any] | None = None
    artifacts: tuple[Artifact, ...] = ()


ChildMessage = Progress | LogLine | Classified | Alive | PhaseBegan | Ended
_CHILD_MESSAGE: TypeAdapter[ChildMessage] = TypeAdapter(
    Annotated[ChildMessage, Field(discriminator="event")]
)


def parse_message(line: bytes) -> ChildMessage:
    """A message from the child. Raises pydantic.ValidationError."""
    return _CHILD_MESSAGE.validate_json(line)


def ended(ending: Ending) -> Ended:
    """An ending as the message that carries it."""
    result = None if ending.result is None else ending.result.model_dump(mode="json")
    return Ended(
        outcome=ending.outcome, reason=ending.reason, result=result, artifacts=ending.artifacts
    )


class PipeParent:
    """The child's end of the channel; implements `stages.parent.Parent`."""

    def __init__(self) -> None:
        self.born = time.monotonic()
        # Libraries print to standard output; only messages may reach the pipe. And they ask questions on
        # standard input, which nobody would answer.
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
        self._in: BinaryIO = os.fdopen(os.dup(0), "rb")
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._pulse = threading.Event()
        self.without_pulse = False
        """Whether it stops because its parent is frozen."""
        self._sent = self._progress_sent = self.born
        listen(lambda phase: self.send(PhaseBegan(phase=phase)))

    def receive_job(self) -> ChildJob:
        """Read the job and watch the pipe from then on. Raises pydantic.ValidationError."""
        line = self._in.readline()
        if not line:
            os._exit(ORPHANED)
        threading.Thread(target=self._watch, daemon=True).start()
        threading.Thread(target=self._await_pulse, daemon=True).start()
        return CHILD_JOB.validate_json(line)

    def _watch(self) -> None:
        while True:
            faulthandler.dump_traceback_later(_HELD_LIMIT_S, exit=True)
            line = self._in.readline()
            self._pulse.set()
            if not line:
                break
            if not line.strip():
                continue
            try:
                Stop.model_validate_json(line)
            except ValidationError as error:
                print(f"unknown command {line!r}: {error}", file=sys.stderr)
            else:
                self._stop.set()
        # The parent is gone, so nobody would record what follows; its successor resumes from the last
        # checkpoint. No clean-up that could take time.
        os._exit(ORPHANED)

    def _await_pulse(self) -> None:
        """Stop when the pulse does. Waits instead of clocks: these do not count while the computer sleeps."""
        usual = PULSE_LIMIT_S - _LATE_PULSE_S
        while self._pulse.wait(usual) or self._pulse.wait(_LATE_PULSE_S):
            self._pulse.clear()
        self.without_pulse = True
        self._stop.set()
        time.sleep(GRACE_S)
        os._exit(ORPHANED)

    def should_stop(self) -> bool:
        if time.monotonic() - self._sent > _ALIVE_EVERY_S:
            self.send(Alive())
        return self._stop.is_set()

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None:
        now = time.monotonic()
        if step == total or now - self._progress_sent > _PROGRESS_EVERY_S:
            self._progress_sent = now
            self.send(Progress(step=step, total=total, loss=loss, eta_s=eta_s))

    def say(self, kind: str, message: str) -> None:
        self.send(LogLine(kind=EventKind(kind), text=message))

    def classified(self, note: ClassifiedNote) -> None:
        self.send(Classified(note=note))

    def send(self, message: ChildMessage) -> None:
        with self._lock:
            self._out.write(message.model_dump_json() + "\n")
            self._out.flush()
            self._sent = time.monotonic()
