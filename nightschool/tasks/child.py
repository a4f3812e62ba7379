"""The entry point of a child process: receives a job, performs it, and sends how it ended.

`tasks.process.Child` starts it as `python -m nightschool.tasks.child`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from dataclasses import replace

from pydantic import ValidationError

from nightschool.config.errors import (
    DeviceBusy,
    NightschoolError,
    NotesUnavailable,
    Stopped,
    first_line,
    is_final,
    system_error,
    system_line,
)
from nightschool.config.files import no_room
from nightschool.config.printable_stream import print_printable
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.stages.endings import Ending
from nightschool.tasks.channel import PULSE_LIMIT_S, PipeParent, ended

# How a RuntimeError of torch begins that a GPU causes, such as after a sleep of the computer.
_DEVICE_FAILED = ("CUDA error", "CUDA driver error", "HIP error", "cuDNN error", "cuBLAS error",
                  "CUBLAS_STATUS", "NVML_", "MPS backend")  # fmt: skip


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):  # on Windows the parent sets the priority
        os.nice(10)
    parent = PipeParent()
    print_printable()
    ending = _perform(parent)
    if parent.without_pulse and ending.outcome is Outcome.STOPPED:
        ending = replace(
            ending,
            reason=f"the program gave no sign of life for {PULSE_LIMIT_S:.0f} s; {ending.reason}",
        )
    parent.send(ended(ending))
    # Exit at once: the thread that watches the pipe cannot be ended, and nothing needs a clean-up.
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(0)


def _perform(parent: PipeParent) -> Ending:
    """Perform the job that the parent sends; every error becomes an ending."""
    try:
        job = parent.receive_job()
    except ValidationError as error:
        _print_traceback()
        return Ending(
            Outcome.ERROR,
            f"this version of nightschool does not know the job ({first_line(error)}): restart "
            "`nightschool work`",
        )
    try:
        # Imported only now: it may take seconds, and an orphan should not wait for it.
        from nightschool.stages.queries import perform  # lazy: torch

        return perform(job, parent)
    except Stopped:
        return Ending(Outcome.STOPPED, "stopped half-way; the next attempt repeats it")
    except DeviceBusy as error:
        return Ending(Reason.DEVICE_BUSY, str(error))
    except NotesUnavailable as error:
        return Ending(Reason.NOTES_GONE, str(error))
    except NightschoolError as error:
        return Ending(_outcome(error), str(error))
    except Exception as error:
        _print_traceback()
        return Ending(_outcome(error), _unexpected(error))


def _print_traceback() -> None:
    with contextlib.suppress(OSError):  # the log may lie on the disk that is full
        traceback.print_exc()


def _outcome(error: Exception) -> Outcome | Reason:
    if no_room(error):
        return Reason.DISK_FULL
    return Outcome.FAILED if is_final(error) else Outcome.ERROR


def _unexpected(error: Exception) -> str:
    name = type(error).__name__
    first = first_line(error)
    if name == "OutOfMemoryError" or isinstance(error, MemoryError):
        return f"out of memory ({first}): lower train.token_budget or train.max_tokens, then `run --new`"
    if isinstance(error, OSError) and error.errno is not None:
        full = "the disk is full or read-only: " if no_room(error) else ""
        return full + system_line(error)
    if no_room(error):
        return f"the disk is full or read-only: {first}"
    if code := system_error(error):
        return f"{os.strerror(code)} ({name}: {first})"
    if name == "AcceleratorError" or first.startswith(_DEVICE_FAILED):
        return f"the device failed ({first})"
    return f"unexpected {name}: {first}"


if __name__ == "__main__":
    main()
