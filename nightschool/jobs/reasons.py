"""The meaning and the remedy of every reason for which the policy allows or stops work."""

from __future__ import annotations

from dataclasses import dataclass

from nightschool.ledger.outcomes import Reason

DISTURBANCES = frozenset(
    {
        Reason.WOKE,
        Reason.SUSPENDING,
        Reason.ON_BATTERY,
        Reason.BATTERY_LOW,
        Reason.POWER_UNKNOWN,
        Reason.OWNER_ACTIVE,
        Reason.IDLE_UNKNOWN,
        Reason.PRESENTING,
        Reason.PRESENTING_UNKNOWN,
        Reason.EXCLUSIVE_PROGRAM,
        Reason.GPU_BUSY,
        Reason.GPU_UNKNOWN,
        Reason.CPU_BUSY,
    }
)
"""Reasons that must have been absent for `night.quiet_minutes` before work resumes."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """A reason in words, what to do about it, and the setting that overrides it."""

    what: str
    remedy: str
    setting: str = ""


MEANINGS: dict[Reason, Meaning] = {
    Reason.NO_WORKER: Meaning(
        "no worker is running",
        "run `nightschool work`, or `nightschool service install` to start it at every login",
    ),
    Reason.BUG: Meaning(
        "a bug in nightschool stops the worker's scheduler",
        "restart the worker; if that does not help, report the bug with the traceback that the worker printed",
    ),
    Reason.QUEUE_DOWN: Meaning(
        "the queue cannot be used, so that no stage begins",
        "do what the message says; work begins within half a minute after the queue is back",
    ),
    Reason.NOTHING_TO_DO: Meaning("no run is queued", "queue one with `nightschool run`"),
    Reason.PAUSED: Meaning("you paused work", "run `nightschool resume`, or wait for the end of the pause"),
    Reason.WOKE: Meaning(
        "the computer slept, or its clock was set",
        "nothing; work resumes after night.quiet_minutes",
    ),
    Reason.DEVICE_BUSY: Meaning(
        "another nightschool process uses the GPU, or other programs hold its memory",
        "close that program or pause the other school; `nightschool log` has details",
    ),
    Reason.NOTES_GONE: Meaning(
        "the notes cannot be reached; their drive may be disconnected",
        "connect the drive; if notes.folder was wrong, `nightschool cancel`, then `nightschool run`",
    ),
    Reason.AFTER_ERROR: Meaning(
        "the last attempt ended with an error that may pass",
        "wait, or `nightschool retry RUN` tries at once; `nightschool log` has details",
    ),
    Reason.SUSPENDING: Meaning(
        "the computer is about to sleep", "nothing; work resumes after the computer wakes"
    ),
    Reason.DISK_FULL: Meaning(
        "the disk is nearly full", "free some space on the school's disk", "min_disk_gb = 0"
    ),
    Reason.TOO_HOT: Meaning(
        "the GPU is too hot, or is still cooling down",
        "let it cool to night.resume_temperature; more airflow, less dust or a cooler room helps",
        "max_temperature = 0",
    ),
    Reason.OUTSIDE_WINDOW: Meaning(
        "no window is open",
        "wait for the window, or `nightschool run --now`",
        "start, end, days",
    ),
    Reason.FINISH_BY: Meaning(
        "the night's deadline has passed",
        "wait for the next window, or `nightschool run --now`",
        'finish_by = ""',
    ),
    Reason.HOURS_USED: Meaning(
        "the night's hours of work are used up",
        "wait for the next night, or `nightschool run --now`",
        "max_hours = 0",
    ),
    Reason.ON_BATTERY: Meaning(
        "the computer runs on battery", "plug it in", "on_battery = true"
    ),
    Reason.BATTERY_LOW: Meaning("the battery is low", "plug it in", "min_battery"),
    Reason.POWER_UNKNOWN: Meaning(
        "it is unknown whether the computer is plugged in, or how full its battery is",
        "see the signal's remark",
        'if_power_unknown = "train"',
    ),
    Reason.OWNER_ACTIVE: Meaning(
        "you are using the computer",
        "leave keyboard and mouse alone for night.idle_minutes",
        "idle_minutes = 0",
    ),
    Reason.IDLE_UNKNOWN: Meaning(
        "the time of your last input is unknown",
        "run the worker in your own session; see the signal's remark",
        'if_idle_unknown = "train"',
    ),
    Reason.PRESENTING: Meaning(
        "a program keeps the screen on (film, talk, call)",
        "close that program",
        'if_presenting = "train"',
    ),
    Reason.PRESENTING_UNKNOWN: Meaning(
        "it is unknown whether a program keeps the screen on",
        "see the signal's remark",
        'if_presenting_unknown = "train"',
    ),
    Reason.EXCLUSIVE_PROGRAM: Meaning(
        "a program of night.exclusive runs, or it is unknown whether one does",
        "close that program",
        "exclusive = []",
    ),
    Reason.GPU_BUSY: Meaning(
        "another program uses the GPU",
        "close that program; in a container or WSL2, our own training counts as one: share the GPU",
        'gpu = "shared"',
    ),
    Reason.GPU_UNKNOWN: Meaning(
        "it is unknown who uses the GPU",
        "check with `nvidia-smi` that the driver answers; see the signal's remark",
        'if_gpu_unknown = "train"',
    ),
    Reason.CPU_BUSY: Meaning(
        "other programs use the CPU", "let them finish", "max_cpu_load = 100"
    ),
    Reason.QUIET_TIME: Meaning(
        "what stopped work ended only recently",
        "nothing; work resumes after night.quiet_minutes",
        "quiet_minutes = 0",
    ),
    Reason.TOO_MANY_STARTS: Meaning(
        "work resumed too often within an hour",
        "nothing; work resumes when the hour is over; `nightschool log` shows what stopped it",
        "starts_per_hour",
    ),
    Reason.RUN_NOW: Meaning("you requested work now", "nothing"),
    Reason.IN_WINDOW: Meaning("a window is open, and no reason against work applies", "nothing"),
}  # fmt: skip


def remedy(reason: Reason) -> str:
    """What to do about a reason, and the setting that overrides it, if there is one."""
    meaning = MEANINGS[reason]
    if not meaning.setting:
        return meaning.remedy
    verb = "set" if "=" in meaning.setting else "change"
    return f"{meaning.remedy}, or {verb} night.{meaning.setting}"
