"""How an attempt ends, and the reasons for which the policy allows or stops work."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from nightschool.config.errors import LedgerError


class Outcome(StrEnum):
    """How an attempt ends if the policy does not stop it; see `Reason` for the latter."""

    FINISHED = "finished"
    """The stage is done."""
    CHUNK_DONE = "chunk_done"
    """The chunk is done; the stage continues with the next attempt."""
    STOPPED = "stopped"
    """The worker stopped, or another run came first."""
    CANCELLED = "cancelled"
    """The owner cancelled the run."""
    FAILED = "failed"
    """Another attempt would fail in the same way, or too many have failed without progress."""
    ERROR = "error"
    """An error ended it that may pass; the stage is tried again later."""
    LOST = "lost"
    """The child process or its worker died unexpectedly."""
    KILLED = "killed"
    """Another program, or the system when memory was short, killed the child process."""


class Reason(StrEnum):
    """Why the policy allows work or not, in order of precedence: if several apply, the first is reported."""

    NO_WORKER = "no_worker"
    BUG = "bug"
    """A bug in the worker's scheduler."""
    QUEUE_DOWN = "queue_down"
    """The queue cannot be used, so that no stage can begin."""
    NOTHING_TO_DO = "nothing_to_do"
    PAUSED = "paused"
    WOKE = "woke"
    DEVICE_BUSY = "device_busy"
    NOTES_GONE = "notes_gone"
    AFTER_ERROR = "after_error"
    SUSPENDING = "suspending"
    DISK_FULL = "disk_full"
    TOO_HOT = "too_hot"
    # The reasons above also apply to `run --now`; it overrides those below.
    OUTSIDE_WINDOW = "outside_window"
    FINISH_BY = "finish_by"
    HOURS_USED = "hours_used"
    ON_BATTERY = "on_battery"
    BATTERY_LOW = "battery_low"
    POWER_UNKNOWN = "power_unknown"
    OWNER_ACTIVE = "owner_active"
    IDLE_UNKNOWN = "idle_unknown"
    PRESENTING = "presenting"
    PRESENTING_UNKNOWN = "presenting_unknown"
    EXCLUSIVE_PROGRAM = "exclusive_program"
    GPU_BUSY = "gpu_busy"
    GPU_UNKNOWN = "gpu_unknown"
    CPU_BUSY = "cpu_busy"
    QUIET_TIME = "quiet_time"
    TOO_MANY_STARTS = "too_many_starts"
    # Work is allowed.
    RUN_NOW = "run_now"
    IN_WINDOW = "in_window"


FRUITLESS = (Reason.DEVICE_BUSY, Reason.NOTES_GONE)
"""The attempt could not get what it needs. The stage is tried again; the attempt counts neither as work
nor as a start."""

RETRIED = (Outcome.ERROR, Outcome.LOST, Outcome.KILLED)
"""The attempt failed, and the stage is tried again after a while. Too many of these without progress make the
stage fail; see `failures.py`."""

_Value = TypeVar("_Value", bound=StrEnum)


def parse_outcome(value: str) -> Outcome | Reason:
    """How an attempt ended, from its stored value. Raises LedgerError if the value is unknown."""
    return Outcome(value) if value in _OUTCOMES else parse(Reason, value)


def parse(kind: type[_Value], value: str) -> _Value:
    """A stored value as its enum. Raises LedgerError if the value is unknown."""
    try:
        return kind(value)
    except ValueError:
        raise LedgerError(
            f"the ledger holds an unknown {kind.__name__} {value!r}: a newer nightschool wrote it",
            "update nightschool",
        ) from None


_OUTCOMES = frozenset(Outcome)
