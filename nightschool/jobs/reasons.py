"""Why a run may work or not: each reason, what it means, and what would have to change."""

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
"""Those that have to be over for `night.quiet_minutes` before work goes on."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """A reason in words: what is so, what would have to change, and the setting that overrides it."""

    what: str
    remedy: str
    setting: str = ""


MEANINGS: dict[Reason, Meaning] = {
    Reason.NO_WORKER: Meaning(
        "no worker has looked yet",
        "start `nightschool work`, or let `nightschool service install` do so at every login",
    ),
    Reason.NOTHING_TO_DO: Meaning("no run is queued", "`nightschool run` queues one"),
    Reason.PAUSED: Meaning("its owner paused it", "`nightschool resume`, or the end of the pause"),
    Reason.WOKE: Meaning(
        "the computer slept, or its clock was set",
        "nothing, a fresh process goes on after night.quiet_minutes",
    ),
    Reason.DEVICE_BUSY: Meaning(
        "another nightschool process uses the device, or other programs hold its memory",
        "close what holds it, or pause the other school: `nightschool log` says more",
    ),
    Reason.NOTES_GONE: Meaning(
        "the notes are out of reach: their drive is not connected, perhaps",
        "connect it; where notes.folder was wrong, `nightschool cancel`, then `nightschool run`",
    ),
    Reason.SUSPENDING: Meaning(
        "the computer is about to sleep", "nothing, it goes on when the computer is awake"
    ),
    Reason.DISK_FULL: Meaning(
        "the disk is nearly full", "free some space where the school lies", "min_disk_gb = 0"
    ),
    Reason.TOO_HOT: Meaning(
        "the GPU is too hot, or has not cooled down yet",
        "let it cool to night.resume_temperature: more air, less dust, a cooler room",
        "max_temperature = 0",
    ),
    Reason.OUTSIDE_WINDOW: Meaning(
        "no window of the night is open",
        "wait for the window, or `nightschool run --now`",
        "start, end, days",
    ),
    Reason.FINISH_BY: Meaning(
        "the time is over at which the night's work has to be done",
        "wait for the next window, or `nightschool run --now`",
        'finish_by = ""',
    ),
    Reason.HOURS_USED: Meaning(
        "the night has had its hours of work",
        "wait for the next night, or `nightschool run --now`",
        "max_hours = 0",
    ),
    Reason.ON_BATTERY: Meaning(
        "the computer is not plugged in", "plug it in", "on_battery = true"
    ),
    Reason.BATTERY_LOW: Meaning("the battery is low", "plug it in", "min_battery"),
    Reason.POWER_UNKNOWN: Meaning(
        "nothing tells whether the computer is plugged in, or how full its battery is",
        "the source named there has to answer",
        'if_power_unknown = "train"',
    ),
    Reason.OWNER_ACTIVE: Meaning(
        "the owner uses the computer",
        "leave keyboard and mouse alone for night.idle_minutes",
        "idle_minutes = 0",
    ),
    Reason.IDLE_UNKNOWN: Meaning(
        "nothing tells when the owner's last input was",
        "the source named there has to answer; run the worker in your own session",
        'if_idle_unknown = "train"',
    ),
    Reason.PRESENTING: Meaning(
        "a program keeps the screen on: a film, a talk, a call",
        "close it",
        'if_presenting = "train"',
    ),
    Reason.PRESENTING_UNKNOWN: Meaning(
        "nothing tells whether a program keeps the screen on",
        "the source named there has to answer",
        'if_presenting_unknown = "train"',
    ),
    Reason.EXCLUSIVE_PROGRAM: Meaning(
        "a program runs beside which nothing may train, or nothing tells whether one does",
        "close it",
        "exclusive = []",
    ),
    Reason.GPU_BUSY: Meaning(
        "another program uses the GPU",
        "close it; or share the GPU: in a container or WSL2 our own training looks like another program",
        'gpu = "shared"',
    ),
    Reason.GPU_UNKNOWN: Meaning(
        "nothing tells who uses the GPU",
        "the source named there has to answer: `nvidia-smi` shows whether the driver does",
        'if_gpu_unknown = "train"',
    ),
    Reason.CPU_BUSY: Meaning(
        "other programs use much of the processor", "let them finish", "max_cpu_load = 100"
    ),
    Reason.QUIET_TIME: Meaning(
        "what stopped the work has only just ended",
        "nothing, it goes on after night.quiet_minutes",
        "quiet_minutes = 0",
    ),
    Reason.TOO_MANY_STARTS: Meaning(
        "it was stopped and went on too often within an hour",
        "nothing, it goes on when the hour is over; `nightschool log` tells what stopped it",
        "starts_per_hour",
    ),
    Reason.RUN_NOW: Meaning("its owner asked for it now", "nothing, it works"),
    Reason.IN_WINDOW: Meaning("a window of the night is open, and nothing speaks against it",
                              "nothing, it works"),
}  # fmt: skip


def remedy(reason: Reason) -> str:
    """What would have to change, and the setting that overrides the reason where there is one."""
    meaning = MEANINGS[reason]
    if not meaning.setting:
        return meaning.remedy
    return f"{meaning.remedy} (the setting: night.{meaning.setting})"
