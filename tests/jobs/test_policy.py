from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from nightschool.config.settings import NightSettings
from nightschool.jobs.policy import EXPLANATIONS, Reason, decide
from nightschool.ledger.records import Control, Run

NIGHT = NightSettings(start="23:00", end="07:00")
DAY = NightSettings(start="09:00", end="17:00")


def run(timing: Any) -> Run:
    return Run(1, 0.0, "queued", "compare", timing, "", {})


def control(paused: bool = False, until: float | None = None) -> Control:
    return Control(paused, until, False, "", None)


def at(clock: str, day: int = 24) -> datetime:
    return datetime.fromisoformat(f"2026-11-{day} {clock}")


@pytest.mark.parametrize(
    ("who", "what", "night", "now", "allowed", "reason", "check"),
    [
        (None, control(), NIGHT, at("12:00"), False, Reason.NOTHING_TO_DO, None),
        (None, control(paused=True), NIGHT, at("12:00"), False, Reason.NOTHING_TO_DO, None),
        (run("now"), control(), NIGHT, at("12:00"), True, Reason.RUN_NOW, None),
        (run("now"), control(paused=True), NIGHT, at("12:00"), False, Reason.PAUSED, None),
        (run("tonight"), control(), NIGHT, at("12:00"), False, Reason.OUTSIDE_WINDOW, at("23:00")),
        (run("tonight"), control(), NIGHT, at("22:59"), False, Reason.OUTSIDE_WINDOW, at("23:00")),
        (run("tonight"), control(), NIGHT, at("23:00"), True, Reason.IN_WINDOW, at("07:00", 25)),
        (run("tonight"), control(), NIGHT, at("03:00"), True, Reason.IN_WINDOW, at("07:00")),
        (run("tonight"), control(), NIGHT, at("07:00"), False, Reason.OUTSIDE_WINDOW, at("23:00")),
        (run("tonight"), control(), DAY, at("12:00"), True, Reason.IN_WINDOW, at("17:00")),
        (run("tonight"), control(), DAY, at("18:00"), False, Reason.OUTSIDE_WINDOW, at("09:00", 25)),
    ],
)  # fmt: skip
def test_the_decision_and_its_reason(
    who: Run | None,
    what: Control,
    night: NightSettings,
    now: datetime,
    allowed: bool,
    reason: Reason,
    check: datetime | None,
) -> None:
    decision = decide(who, what, night, now)
    assert (decision.run, decision.reason, decision.next_check) == (allowed, reason, check)


def test_a_timed_pause_says_when_it_ends() -> None:
    end = at("14:00")
    decision = decide(run("now"), control(True, end.timestamp()), NIGHT, at("12:00"))
    assert decision.next_check == end


def test_every_reason_is_explained() -> None:
    assert set(Reason) <= set(EXPLANATIONS)
