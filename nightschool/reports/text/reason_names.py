"""Short names of the reasons for which a run did not work, for charts and summaries."""

from __future__ import annotations

from collections.abc import Mapping

from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.stats.terms import SpanReason, Waiting

REASON_NAMES: Mapping[SpanReason, str] = {
    Waiting.QUEUED: "queued",
    Outcome.FINISHED: "finished",
    Outcome.CHUNK_DONE: "chunk done",
    Outcome.STOPPED: "worker stopped",
    Outcome.CANCELLED: "cancelled",
    Outcome.FAILED: "failed",
    Outcome.ERROR: "error",
    Outcome.LOST: "process died",
    Outcome.KILLED: "process killed",
    Reason.NO_WORKER: "no worker",
    Reason.NOTHING_TO_DO: "nothing to do",
    Reason.PAUSED: "paused",
    Reason.BUG: "internal error",
    Reason.QUEUE_DOWN: "queue out of reach",
    Reason.WOKE: "asleep",
    Reason.DEVICE_BUSY: "device in use",
    Reason.NOTES_GONE: "notes out of reach",
    Reason.AFTER_ERROR: "wait after an error",
    Reason.SUSPENDING: "asleep",
    Reason.DISK_FULL: "disk full",
    Reason.TOO_HOT: "GPU too hot",
    Reason.OUTSIDE_WINDOW: "outside the window",
    Reason.FINISH_BY: "night over",
    Reason.HOURS_USED: "hours used up",
    Reason.ON_BATTERY: "on battery",
    Reason.BATTERY_LOW: "battery low",
    Reason.POWER_UNKNOWN: "power unknown",
    Reason.OWNER_ACTIVE: "computer in use",
    Reason.IDLE_UNKNOWN: "activity unknown",
    Reason.PRESENTING: "screen kept on",
    Reason.PRESENTING_UNKNOWN: "screen use unknown",
    Reason.EXCLUSIVE_PROGRAM: "exclusive program",
    Reason.GPU_BUSY: "GPU in use",
    Reason.GPU_UNKNOWN: "GPU use unknown",
    Reason.CPU_BUSY: "processor in use",
    Reason.QUIET_TIME: "quiet time",
    Reason.TOO_MANY_STARTS: "too many starts",
    Reason.RUN_NOW: "run now",
    Reason.IN_WINDOW: "in the window",
}


def reason_name(reason: SpanReason) -> str:
    """Reason.OWNER_ACTIVE -> 'computer in use'."""
    return REASON_NAMES[reason]
