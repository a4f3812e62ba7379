"""The channel between a worker and its child process: one message a line, as JSON, over two pipes.

The parent sends a job (see `stages.child_jobs`), and later perhaps `Stop`. The child sends any number of
`Progress`, `LogLine` and `Classified`, and `Ended` last. Both sides validate what they read.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Annotated, Any, Literal, TextIO

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import EventKind
from nightschool.stages.child_jobs import CHILD_JOB, ChildJob, ClassifiedNote
from nightschool.stages.endings import Ending

ORPHANED = 70
"""The exit code of a child whose parent is gone."""


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


class Ended(_Message):
    """How the job ended; the child exits after it."""

    event: Literal["ended"] = "ended"
    outcome: Outcome | Reason
    reason: str = ""
    result: dict[str, Any] | None = None


ChildMessage = Progress | LogLine | Classified | Ended
_CHILD_MESSAGE: TypeAdapter[ChildMessage] = TypeAdapter(
    Annotated[ChildMessage, Field(discriminator="event")]
)


def parse_message(line: bytes) -> ChildMessage:
    """A message from the child. Raises pydantic.ValidationError."""
    return _CHILD_MESSAGE.validate_json(line)


def ended(ending: Ending) -> Ended:
    """An ending as the message that carries it."""
    result = None if ending.result is None else ending.result.model_dump(mode="json")
    return Ended(outcome=ending.outcome, reason=ending.reason, result=result)


class PipeParent:
    """The child's end of the channel; implements `stages.parent.Parent`."""

    def __init__(self) -> None:
        self.born = time.monotonic()
        # Libraries print to standard output; only messages may reach the pipe.
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def receive_job(self) -> ChildJob:
        """Read the job and watch the pipe from then on. Raises pydantic.ValidationError."""
        line = sys.stdin.buffer.readline()
        if not line:
            os._exit(ORPHANED)
        threading.Thread(target=self._watch, daemon=True).start()
        return CHILD_JOB.validate_json(line)

    def _watch(self) -> None:
        for line in iter(sys.stdin.buffer.readline, b""):
            try:
                Stop.model_validate_json(line)
            except ValidationError as error:
                print(f"unknown command {line!r}: {error}", file=sys.stderr)
            else:
                self._stop.set()
        # The parent is gone, so nobody would record what follows; its successor resumes from the last
        # checkpoint. No clean-up that could take time.
        os._exit(ORPHANED)

    def should_stop(self) -> bool:
        return self._stop.is_set()

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None:
        self.send(Progress(step=step, total=total, loss=loss, eta_s=eta_s))

    def say(self, kind: str, message: str) -> None:
        self.send(LogLine(kind=EventKind(kind), text=message))

    def classified(self, note: ClassifiedNote) -> None:
        self.send(Classified(note=note))

    def send(self, message: ChildMessage) -> None:
        with self._lock:
            self._out.write(message.model_dump_json() + "\n")
            self._out.flush()
