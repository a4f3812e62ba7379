"""The morning notification: once per night, with its work or the reasons for none."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nightschool.config.night import is_near, nights
from nightschool.config.night_settings import WEEKDAYS
from nightschool.config.paths import School
from nightschool.config.settings import NightSettings
from nightschool.jobs import morning_notification
from nightschool.jobs.morning_notification import MorningNotification, newest_nights
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import StageName, Timing

M, H = 60.0, 3600.0
NIGHT = NightSettings()  # 23:00 to 07:00


def at(clock: str, day: int = 25) -> float:
    hour, minute = map(int, clock.split(":"))
    return time.mktime((2026, 11, day, hour, minute, 0, 0, 0, -1))


@pytest.fixture
def school(tmp_path: Path) -> School:
    return School(tmp_path / "my 学校")


def work(
    school: School, start: float, end: float, outcome: Outcome | Reason = Reason.OUTSIDE_WINDOW
) -> None:
    """Let a run train from `start` to `end`."""
    now = start
    with Ledger(school.ledger_file, clock=lambda: now) as ledger:
        run = ledger.next_run() or ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT)
        while (claim := ledger.claim(run.id, "worker")) and claim.stage != "train":
            ledger.finish(claim, {"accuracy": 0.4})
        assert claim
        now = end
        ledger.progress(claim, 412, 648, 0.5, 60.0)
        if outcome is Outcome.FAILED:
            ledger.fail(claim, "the disk is full")
        else:
            ledger.interrupt(claim, outcome, "")


class Desktop:
    """Collects notifications."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []

    def __call__(self, title: str, text: str) -> str | None:
        self.shown.append((title, text))
        return None


def ticks(
    school: School, first: float, last: float, every: float = 5 * M, night: NightSettings = NIGHT
) -> list[float]:
    """When a new worker notifies between `first` and `last`."""
    desktop, told = Desktop(), list[float]()
    morning = MorningNotification(school, desktop)
    while first <= last:
        morning.send_if_due(night, first)
        told += [first] * (len(desktop.shown) - len(told))
        first += every
    return told


def test_notification_appears_once_after_the_window_closed(school: School) -> None:
    work(school, at("23:30", 24), at("03:00"))
    assert ticks(school, at("22:00", 24), at("22:55")) == [at("07:05")]


def test_restarted_worker_does_not_notify_again(school: School) -> None:
    work(school, at("23:30", 24), at("03:00"))
    assert ticks(school, at("07:01"), at("07:01")) == [at("07:01")]
    assert ticks(school, at("07:02"), at("22:00")) == []
    work(school, at("23:30"), at("02:00", 26))
    assert ticks(school, at("22:00"), at("12:00", 26)) == [at("07:05", 26)]


def test_late_notification_appears_within_twelve_hours_only(
    school: School,
) -> None:
    work(school, at("23:30", 24), at("03:00"))
    assert ticks(school, at("12:00"), at("12:30")) == [at("12:00")]
    school.told_file.unlink()
    assert ticks(school, at("20:00"), at("22:50")) == []


def test_night_without_a_run_is_not_notified(school: School) -> None:
    assert ticks(school, at("22:00", 24), at("22:00")) == []
    work(school, at("12:00"), at("13:00"), Outcome.FAILED)  # by day
    assert ticks(school, at("14:00"), at("12:00", 26)) == []


def decide(school: School, *decided: tuple[float, Reason]) -> None:
    """Queue a run for the night, and record the worker's decisions."""
    now = decided[0][0]
    with Ledger(school.ledger_file, clock=lambda: now) as ledger:
        run = ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT)
        for now, reason in decided:  # noqa: B007
            ledger.decide(run.id, False, reason)


def test_night_without_work_is_notified_with_the_reasons(school: School) -> None:
    decide(
        school,
        (at("20:00", 24), Reason.OUTSIDE_WINDOW),
        (at("23:00", 24) + 1, Reason.OWNER_ACTIVE),
        (at("01:00"), Reason.IDLE_UNKNOWN),
        (at("06:59") + 50, Reason.OUTSIDE_WINDOW),
    )
    desktop = Desktop()
    morning = MorningNotification(school, desktop)
    for clock in ("07:05", "07:10"):
        morning.send_if_due(NIGHT, at(clock))
    line = "last night: no work was done: activity unknown 6 h, computer in use 2 h"
    assert desktop.shown == [("nightschool did no work last night", line)]
    with Ledger(school.ledger_file) as ledger:
        ((name, found),) = newest_nights(ledger, NIGHT, at("12:00"))
    assert (name, found.interruptions[0].reason) == ("last night", "idle_unknown")


def test_paused_night_is_not_notified(school: School) -> None:
    decide(school, (at("20:00", 24), Reason.PAUSED))
    assert ticks(school, at("07:05"), at("07:10")) == []
    assert named(school, NIGHT, at("07:10")) == [("last night", 0.0)]


def test_text_has_the_work_and_what_is_next(school: School) -> None:
    work(school, at("23:30", 24), at("02:40"), Reason.OWNER_ACTIVE)
    work(school, at("02:46"), at("03:00"), Reason.ON_BATTERY)
    work(school, at("03:12"), at("03:12") + 1, Reason.OUTSIDE_WINDOW)
    desktop = Desktop()
    MorningNotification(school, desktop).send_if_due(NIGHT, at("07:05"))
    ((title, text),) = desktop.shown
    assert title == "nightschool trained 3 h 24 min"
    assert text.split("\n") == [
        "last night: trained 3 h 24 min (412 of 648 steps), interrupted 2 times "
        "(on battery 12 min, computer in use 6 min)",
        "run 1 continues at step 412 of 648; last stop: outside the window",
    ]


def test_failed_run_is_in_the_title(school: School) -> None:
    work(school, at("23:30", 24), at("01:00"), Outcome.FAILED)
    desktop = Desktop()
    MorningNotification(school, desktop).send_if_due(NIGHT, at("07:05"))
    ((title, text),) = desktop.shown
    assert title == "nightschool: run 1 failed"
    assert text.endswith("run 1 failed: the disk is full")


def test_failed_notification_is_logged_and_not_repeated(
    school: School, caplog: pytest.LogCaptureFixture
) -> None:
    work(school, at("23:30", 24), at("01:00"))
    caplog.set_level("INFO")
    morning = MorningNotification(school, lambda title, text: "no desktop here")
    for _ in range(2):
        morning.send_if_due(NIGHT, at("07:05"))
    assert caplog.messages == ["no notification: no desktop here"]


def test_full_disk_delays_the_notification(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Path, until: float) -> None:
        raise OSError(28, "No space left on device")

    work(school, at("23:30", 24), at("01:00"))
    with monkeypatch.context() as patched:
        patched.setattr(morning_notification, "_write_notified", full)
        with pytest.raises(OSError, match="No space left"):
            ticks(school, at("07:05"), at("07:06"))
    assert len(ticks(school, at("07:20"), at("09:00"))) == 1


def named(school: School, night: NightSettings, now: float) -> list[tuple[str, float]]:
    with Ledger(school.ledger_file) as ledger:
        return [(name, found.worked_s / H) for name, found in newest_nights(ledger, night, now)]


def test_newest_night_is_the_current_or_the_last_one(school: School) -> None:
    work(school, at("23:30", 24), at("01:00"))
    assert named(school, NIGHT, at("02:00")) == [("tonight so far", 1.5)]
    assert named(school, NIGHT, at("22:59")) == [("last night", 1.5)]
    assert named(school, NIGHT, at("23:01")) == [("tonight so far", 0.0)]


JOINED = NightSettings.model_validate(
    {"days": {day: ["22:00-07:00", "07:00-22:00"] for day in WEEKDAYS}}
)
ALL_DAY_LONG = NightSettings.model_validate({"days": dict.fromkeys(WEEKDAYS, "00:00-24:00")})


@pytest.mark.parametrize(("night", "told"), [(JOINED, "07:05"), (ALL_DAY_LONG, "00:05")])
def test_adjoining_windows_end_the_night_with_the_evening(
    school: School, night: NightSettings, told: str
) -> None:
    for day in (22, 23, 24):
        work(school, at("01:00", day), at("02:00", day))
    found = ticks(school, at("06:00", 22), at("06:00", 25), night=night)
    days = (22, 23, 24) if night is JOINED else (23, 24, 25)
    assert found == [at(told, day) for day in days]


def test_last_night_is_shown_beside_the_current_one_for_twelve_hours(school: School) -> None:
    work(school, at("02:00"), at("03:00"))
    assert named(school, JOINED, at("07:00")) == [("last night", 1.0)]
    work(school, at("08:00"), at("08:30"))
    both = [("last night", 1.0), ("tonight so far", 0.5)]
    assert named(school, JOINED, at("09:00")) == both
    assert named(school, JOINED, at("19:01")) == both[1:]


def test_windows_of_a_day_are_one_night(school: School) -> None:
    night = NightSettings.model_validate(
        {"days": {"friday": "22:00-09:00", "saturday": ["13:00-15:00", "22:00-09:00"]}}
    )
    work(school, at("23:00", 27), at("01:00", 28))
    work(school, at("13:00", 28), at("14:00", 28))
    for clock in ("13:30", "15:01"):
        assert named(school, night, at(clock, 28))[0] == ("last night", 2.0)
    assert named(school, night, at("15:01", 28))[1] == ("tonight so far", 1.0)
    found = ticks(school, at("22:00", 27), at("20:00", 29), night=night)
    assert found == [at("09:05", 28), at("09:05", 29)]


def test_nights_begin_at_their_first_window() -> None:
    def newest(now: float) -> tuple[float, float]:
        window = nights(NIGHT, now)[-1]
        return window.opens, window.closes

    for now in (at("23:00", 24), at("03:00"), at("07:00"), at("22:59")):
        assert newest(now) == (at("23:00", 24), at("07:00"))
    assert newest(at("23:00")) == (at("23:00"), at("07:00", 26))
    near = [is_near(NIGHT, at(clock), 30 * M) for clock in ("22:29", "22:30", "06:59", "07:00")]
    assert near == [False, True, True, False]
