"""Whether a run may work now: one pure function, with ordered reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nightschool.config.night import closes, is_open, opens
from nightschool.config.settings import NightSettings
from nightschool.ledger.records import Control, Run


class Reason(StrEnum):
    """Why the answer is what it is; the first that holds is given."""

    NOTHING_TO_DO = "nothing_to_do"
    PAUSED = "paused"
    RUN_NOW = "run_now"
    OUTSIDE_WINDOW = "outside_window"
    IN_WINDOW = "in_window"


EXPLANATIONS = {
    Reason.NOTHING_TO_DO: "no run is queued: `nightschool run` queues one",
    Reason.PAUSED: "paused by its owner: `nightschool resume` goes on",
    Reason.RUN_NOW: "its owner asked for it now",
    Reason.OUTSIDE_WINDOW: "it waits for the night's window (night.start to night.end)",
    Reason.IN_WINDOW: "the night's window is open",
    "no_worker": "no worker has looked yet: start `nightschool work`",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """`next_check` is when the answer can change by itself, or None."""

    run: bool
    reason: Reason
    next_check: datetime | None = None


def decide(run: Run | None, control: Control, night: NightSettings, now: datetime) -> Decision:
    """Decide for the run that is next; `now` is local time."""
    if run is None:
        return Decision(False, Reason.NOTHING_TO_DO)
    if control.paused:
        until = control.paused_until
        return Decision(False, Reason.PAUSED, datetime.fromtimestamp(until) if until else None)
    if run.timing == "now":
        return Decision(True, Reason.RUN_NOW)
    if is_open(night, now):
        return Decision(True, Reason.IN_WINDOW, closes(night, now))
    return Decision(False, Reason.OUTSIDE_WINDOW, opens(night, now))
