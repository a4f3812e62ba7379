"""The child's side: reads its job, does it, tells its parent. Run by `tasks.process.Child`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Any, TextIO

from nightschool.config.files import no_room

ORPHANED = 70


class Parent:
    """The way to the parent: messages out, the wish to stop in."""

    def __init__(self) -> None:
        self.born = time.monotonic()
        # Libraries print; only messages may reach the pipe.
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def job(self) -> Mapping[str, Any]:
        """The job, the first line on standard input; from then on the pipe is watched."""
        line = sys.stdin.buffer.readline()
        if not line:
            os._exit(ORPHANED)
        threading.Thread(target=self._watch, daemon=True).start()
        job: Mapping[str, Any] = json.loads(line)
        return job

    def _watch(self) -> None:
        for line in iter(sys.stdin.buffer.readline, b""):
            if line.strip() == b"stop":
                self._stop.set()
        # The parent is gone: nobody would record what comes, and its successor starts over
        # from the last checkpoint. No clean-up that could take time.
        os._exit(ORPHANED)

    def should_stop(self) -> bool:
        return self._stop.is_set()

    def send(self, event: str, **content: object) -> None:
        with self._lock:
            self._out.write(json.dumps({"event": event, **content}, ensure_ascii=False) + "\n")
            self._out.flush()

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None:
        self.send("progress", step=step, total=total, loss=loss, eta_s=eta_s)

    def say(self, kind: str, message: str) -> None:
        self.send("say", kind=kind, message=message)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):  # on Windows the parent has set the priority
        os.nice(10)
    parent = Parent()
    job = parent.job()
    # Imported only now: it takes seconds, and an orphan should not wait for it.
    from nightschool.config.errors import (
        ConfigError,
        DeviceBusy,
        LearningError,
        LedgerBusy,
        LedgerError,
        NotesError,
        NotesUnavailable,
        Stopped,
    )
    from nightschool.stages import queries

    try:
        ending = queries.perform(job, parent)
    except Stopped:
        ending = {"outcome": "stopped", "reason": "stopped half-way; it is done again"}
    except DeviceBusy as error:
        ending = {"outcome": "device_busy", "reason": str(error)}
    except NotesUnavailable as error:
        ending = {"outcome": "notes_gone", "reason": str(error)}
    except LedgerBusy as error:
        ending = {"outcome": "lost", "reason": str(error)}  # done again, but not for ever
    except (LearningError, NotesError, ConfigError, LedgerError) as error:
        ending = {"outcome": _outcome(error), "reason": str(error)}
    except Exception as error:
        with contextlib.suppress(OSError):  # the log lies on the disk that is full
            traceback.print_exc()
        ending = {"outcome": _outcome(error), "reason": _unexpected(error)}
    parent.send("ended", **ending)
    # At once: the thread that watches the pipe cannot be ended, and there is nothing to clean up.
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(0)


def _outcome(error: Exception) -> str:
    return "disk_full" if no_room(error) else "failed"


def _unexpected(error: Exception) -> str:
    name = type(error).__name__
    first = (str(error).strip().splitlines() or [""])[0][:300]
    if name == "OutOfMemoryError" or isinstance(error, MemoryError):
        return f"out of memory: lower train.token_budget or train.max_tokens, then `run --new` ({first})"
    if no_room(error):
        return f"the disk is full or read-only: {first}"
    return f"unexpected {name}: {first}"


if __name__ == "__main__":
    main()
