"""A child process that does the heavy work: spawned, offline, in UTF-8 mode, and gone when its parent is.

Parent and child exchange the messages of `tasks.channel`. When the pipe closes, the parent has died, and
the child exits immediately; when the parent's pulse fails, it is frozen, and the child stops. A child that
hangs is killed (`tasks.watchdog`).
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from nightschool.config import current_folder, files
from nightschool.config.errors import first_line
from nightschool.config.logs import rotate, truncate
from nightschool.stages.child_jobs import ChildJob
from nightschool.tasks.channel import (
    GRACE_S,
    PULSE_EVERY_S,
    ChildMessage,
    Stop,
    parse_message,
)
from nightschool.tasks.watchdog import Watchdog

_log = logging.getLogger(__name__)


class Child:
    """A running child; its standard error goes to `log`."""

    def __init__(
        self, job: ChildJob, log: Path, *, online: bool = False, needs_log: bool = True
    ) -> None:
        """Start it. Raises OSError if the log cannot be written, unless that is allowed, or it cannot start."""
        environment = os.environ | {
            "PYTHONUTF8": "1",
            "PYTHONUNBUFFERED": "1",
            # Waiting threads sleep; spinning would take cores from the owner's programs.
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        if not online:
            environment |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        self.log = log
        rotate(log)
        with _open_log(log, needs_log) as errors:
            self._process = subprocess.Popen(
                current_folder.python("-m", "nightschool.tasks.child"),
                cwd=current_folder.NEUTRAL_FOLDER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                # Ctrl-C in the terminal reaches only the parent, which asks the child to stop.
                start_new_session=os.name != "nt",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
                | getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),
            )
        self._pulsed = -math.inf
        self._messages: queue.SimpleQueue[ChildMessage | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self._write(job.model_dump_json())

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """Ask it to stop at the next step border."""
        self._write(Stop().model_dump_json())

    def pulse(self) -> None:
        """Let it go on for another while. Call it often; it writes every few seconds."""
        if time.monotonic() - self._pulsed > PULSE_EVERY_S:
            self._pulsed = time.monotonic()
            self._write("")

    def kill(self) -> None:
        self._process.kill()

    def next_message(self, timeout_s: float) -> ChildMessage | None:
        """The next message; None after `timeout_s`, or once the child has exited (see `exit_code`)."""
        try:
            message = self._messages.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if message is None:
            self._process.wait()
        return message

    @property
    def exit_code(self) -> int | None:
        """The exit code, once the child has exited and all its messages are read."""
        return self._process.returncode

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            try:
                self._messages.put(parse_message(line))
            except ValidationError as error:
                _log.warning(
                    "a message of child process %d is invalid: %s", self.pid, first_line(error)
                )
        self._messages.put(None)

    def _write(self, line: str) -> None:
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()


def _open_log(log: Path, needed: bool) -> BinaryIO:
    try:
        return files.open_log(log)
    except OSError as error:
        if needed or not (files.no_room(error) or files.denied(error)):
            raise
        return open(os.devnull, "wb")  # a read-only school answers all the same


def supervise(
    child: Child,
    on_message: Callable[[ChildMessage], None],
    should_stop: Callable[[], bool],
    gone_by: Callable[[], float | None] = lambda: None,
    every_s: float = 0.25,
) -> int:
    """Supervise a child until it exits: pass on its messages, stop it on request, kill it if it lingers
    or hangs (then `on_message` receives the ending in its place).

    The child's pulse depends on `should_stop`: it fails when that does not answer.

    `gone_by` returns when, by the monotonic clock, the child must be gone because the computer is about to
    sleep; this holds whether or not it was asked to stop. Returns the exit code (negative on POSIX: the
    signal that killed it).
    """
    asked: float | None = None
    checked = 0.0
    watchdog = Watchdog(child.pid)
    try:
        while child.exit_code is None:
            message = child.next_message(every_s)
            if message is not None and not watchdog.heard(message):
                on_message(message)
            if time.monotonic() - checked < every_s:
                continue
            checked = time.monotonic()
            truncate(child.log)
            if asked is None and should_stop():
                asked = time.monotonic()
                child.stop()
            elif ending := watchdog.finding():
                watchdog.heard(ending)
                on_message(ending)
                child.kill()
            elif watchdog.lingers or checked > _deadline(asked, gone_by()):
                child.kill()
            child.pulse()
    finally:
        if child.exit_code is None:
            child.kill()
    return int(child.exit_code)


def _deadline(asked: float | None, gone_by: float | None) -> float:
    """When a child must be gone, by the monotonic clock, if it was asked to stop at `asked`."""
    stopped = math.inf if asked is None else asked + GRACE_S
    return stopped if gone_by is None else min(stopped, gone_by)
