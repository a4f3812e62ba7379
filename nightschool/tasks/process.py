"""A child process that does the heavy work: spawned, offline, UTF-8, and dead when its parent is.

The parent writes one job as a JSON line to the child's standard input, and later perhaps "stop".
The child writes messages as JSON lines to its standard output. When the pipe closes, the parent
has died, and the child ends at once.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Message = Mapping[str, Any]

# How long a child may take to reach a step's border and write its checkpoint before it is killed:
# the owner does not wait, and a killed child resumes from its last checkpoint.
GRACE_S = 8.0


class Child:
    """A running child; its standard error goes to `log`."""

    def __init__(self, job: Message, log: Path, *, online: bool = False) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {
            "PYTHONUTF8": "1",
            "PYTHONUNBUFFERED": "1",
            # Threads that wait sleep: spinning would take the cores from the owner's programs.
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        if not online:
            environment |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        self.log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nightschool.tasks.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                # Ctrl-C in the terminal is for the parent, which asks the child to stop.
                start_new_session=os.name != "nt",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
                | getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),
            )
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self._write(json.dumps(job, ensure_ascii=False))

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """Ask for an end at the next step's border."""
        self._write("stop")

    def kill(self) -> None:
        self._process.kill()

    def next_message(self, timeout_s: float) -> Message | None:
        """The next message, or None after `timeout_s` or once the child has ended (see `ended`)."""
        try:
            message = self._messages.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if message is None:
            self._process.wait()
        return message

    @property
    def ended(self) -> int | None:
        """The exit code, once the child has ended and all its messages are read."""
        return self._process.returncode

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                self._messages.put(json.loads(line))
        self._messages.put(None)

    def _write(self, line: str) -> None:
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()


def attend(
    child: Child,
    on_message: Callable[[Message], None],
    should_stop: Callable[[], bool],
    gone_by: Callable[[], float | None] = lambda: None,
    every_s: float = 0.25,
) -> int:
    """See a child to its end: pass its messages on, stop it when asked, kill it where it lingers.

    `gone_by` is when, by the monotonic clock, it has to be gone in any case, since the computer is
    about to sleep; also where nobody asked it to stop, or for another reason, before. Returns its exit code
    (negative on POSIX: the signal that killed it).
    """
    asked: float | None = None
    looked = 0.0
    try:
        while child.ended is None:
            message = child.next_message(every_s)
            if message is not None:
                on_message(message)
            if time.monotonic() - looked < every_s:
                continue
            looked = time.monotonic()
            if asked is None and should_stop():
                asked = time.monotonic()
                child.stop()
            elif looked > _deadline(asked, gone_by()):
                child.kill()
    finally:
        if child.ended is None:
            child.kill()
    return int(child.ended)


def _deadline(asked: float | None, gone_by: float | None) -> float:
    """When a child has to be gone, by the monotonic clock, given when it was asked to stop."""
    stopped = math.inf if asked is None else asked + GRACE_S
    return stopped if gone_by is None else min(stopped, gone_by)
