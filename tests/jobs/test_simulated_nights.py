"""Weeks and years in virtual time: the real policy, scheduler and ledger, judged from outside."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from nightschool.config.night_settings import NightSettings
from nightschool.jobs import policy, policy_tick
from nightschool.ledger.outcomes import Reason
from tools.simulated_nights.script import Intervals, Script
from tools.simulated_nights.simulation import WEEKEND, simulate

STARTS_PER_HOUR = NightSettings().starts_per_hour


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Europe/Berlin", datetime(2026, 3, 25, 12)),  # spring
        ("Europe/Berlin", datetime(2026, 10, 20, 12)),  # autumn
        ("Asia/Tokyo", datetime(2026, 6, 1, 12)),
    ],
)
def test_nine_days_without_a_violation(tmp_path: Path, zone: str, first: datetime) -> None:
    figures = simulate(tmp_path, zone, first, 9, seed=3)
    assert figures.violations(STARTS_PER_HOUR) == {}
    assert figures.nights >= 9 and figures.share >= 0.97


def test_five_days_with_other_settings_without_a_violation(tmp_path: Path) -> None:
    night = NightSettings.model_validate(
        {"timezone": "Europe/Berlin", "days": WEEKEND, "starts_per_hour": 2, "quiet_minutes": 1.0}
    )
    figures = simulate(tmp_path, "Europe/Berlin", datetime(2026, 5, 1, 12), 5, seed=5, night=night)
    assert figures.violations(2) == {}


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Tokyo"])
def test_a_year_without_a_violation(tmp_path: Path, zone: str) -> None:
    figures = simulate(tmp_path, zone, datetime(2026, 1, 1, 12), 365)
    assert figures.violations(STARTS_PER_HOUR) == {}
    assert figures.nights >= 365 and figures.share >= 0.97
    assert figures.runs_done > 100


# The judge detects each violation


def rough(zone: str, first: datetime, days: int, seed: int) -> Script:
    """One night in which everything happens."""

    def at(hours: float) -> float:
        return (first.replace(tzinfo=ZoneInfo(zone)) + timedelta(hours=hours - 12)).timestamp()

    return Script(
        active=Intervals([(at(12), at(22)), (at(27), at(27.1))]),
        unplugged=Intervals([(at(24), at(24.5))]),
        flapping=Intervals([(at(25), at(26))]),
        asleep=Intervals([]),
        hot=Intervals([(at(28), at(30))]),
        jumps=[],
        gpu_taken=Intervals([(at(23), at(24.2))]),
    )


def rough_night(folder: Path) -> dict[str, float]:
    figures = simulate(folder, "Asia/Tokyo", datetime(2026, 6, 1, 12), 1, script=rough)
    return figures.violations(STARTS_PER_HOUR)


def _without(rules: tuple[Any, ...], *names: str) -> tuple[Any, ...]:
    return tuple(rule for rule in rules if rule.__name__ not in names)


def test_rough_night_has_no_violation(tmp_path: Path) -> None:
    assert rough_night(tmp_path) == {}


@pytest.mark.parametrize(
    ("broken", "seen"),
    [
        (("_power",), "seconds on battery"),
        (("_idle",), "seconds beside an active owner"),
        (("_heat",), "seconds too hot"),
    ],
)
def test_policy_without_a_rule_is_detected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: tuple[str, ...], seen: str
) -> None:
    for rules in ("_SIGNAL_RULES", "_SAFETY_RULES"):
        monkeypatch.setattr(policy, rules, _without(getattr(policy, rules), *broken))
    assert seen in rough_night(tmp_path)


def test_work_until_the_end_of_the_window_is_detected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "STOP_S", 0.0)
    assert list(rough_night(tmp_path)) == ["seconds outside a window"]


def test_too_many_starts_are_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "_quiet", lambda case, signals: None)
    monkeypatch.setattr(policy, "_starts", lambda case: None)
    assert "starts above the limit an hour" in rough_night(tmp_path)


def test_immediate_retries_on_a_busy_gpu_are_detected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "_REQUEST_RULES", _without(policy._REQUEST_RULES, "_device"))
    assert "retries on a busy GPU above one in five minutes" in rough_night(tmp_path)


def test_stop_without_a_cause_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = policy._processor

    def moody(case: Any, signals: Any) -> Any:
        return (
            real(case, signals)
            if case.now % 1200 > 60
            else policy.PolicyFinding(Reason.CPU_BUSY, "moody")
        )

    rules = (*_without(policy._SIGNAL_RULES, "_processor"), moody)
    monkeypatch.setattr(policy, "_SIGNAL_RULES", rules)
    assert "sessions without a cause" in rough_night(tmp_path)


def test_failing_tick_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("no disk")

    monkeypatch.setattr(policy_tick, "read_history", broken)
    figures = simulate(tmp_path, "Asia/Tokyo", datetime(2026, 6, 1, 12), 1)
    assert figures.warnings[0] == "no disk"
    assert figures.share < 0.1
