"""Windows in absolute time, across clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from nightschool.config.night import (
    Window,
    evening_of,
    left_s,
    length_s,
    local,
    next_window,
    window_at,
    windows,
    zone_of,
)
from nightschool.config.night_settings import WEEKDAYS, NightSettings

BERLIN = "Europe/Berlin"
H = 3600.0


def night(**given: Any) -> NightSettings:
    return NightSettings(**{"timezone": BERLIN, **given})


def at(text: str, zone: str = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def window_text(settings: NightSettings, window: Window | None) -> tuple[str, str] | None:
    if window is None:
        return None
    opens, closes = (local(settings, t) for t in (window.opens, window.closes))
    return f"{opens:%a %H:%M%z}", f"{closes:%a %H:%M%z}"


@pytest.mark.parametrize(
    ("start", "end", "clock", "hours"),
    [
        ("23:00", "07:00", "12:00", 8.0),
        ("23:00", "07:00", "22:59", 8.0),
        ("23:00", "07:00", "23:00", 8.0),
        ("23:00", "07:00", "23:30", 7.5),
        ("23:00", "07:00", "06:00", 1.0),
        ("23:00", "07:00", "07:00", 8.0),
        ("09:00", "17:00", "12:00", 5.0),
        ("09:00", "17:00", "20:00", 8.0),
    ],
)
def test_time_left_of_the_night(start: str, end: str, clock: str, hours: float) -> None:
    settings = night(start=start, end=end)
    assert left_s(settings, at(f"2026-11-24 {clock}")) == pytest.approx(hours * H)


def test_time_left_is_at_most_max_hours() -> None:
    settings = night(max_hours=3.0)
    assert left_s(settings, at("2026-11-24 23:30")) == 3 * H
    assert left_s(settings, at("2026-11-25 06:00")) == 1 * H


def test_length_is_the_mean_over_the_week() -> None:
    assert length_s(night()) == 8 * H
    assert length_s(night(start="00:00", end="00:30")) == 1800
    days = {day: "off" for day in WEEKDAYS} | {"friday": "22:00-02:00", "sunday": "22:00-00:00"}
    assert length_s(night(days=days)) == 3 * H
    assert length_s(night(days=days, finish_by="23:00")) == 1 * H
    assert length_s(night(days=days, max_hours=2.5)) == 2.25 * H


@pytest.mark.parametrize(
    ("clock", "open_", "coming"),
    [
        ("2026-11-27 21:59", None, ("Fri 22:00+0100", "Sat 09:00+0100")),
        ("2026-11-27 22:00", ("Fri 22:00+0100", "Sat 09:00+0100"), ("Sat 13:00+0100", "Sat 15:00+0100")),
        ("2026-11-28 08:59", ("Fri 22:00+0100", "Sat 09:00+0100"), ("Sat 13:00+0100", "Sat 15:00+0100")),
        ("2026-11-28 09:00", None, ("Sat 13:00+0100", "Sat 15:00+0100")),
        ("2026-11-28 14:00", ("Sat 13:00+0100", "Sat 15:00+0100"), ("Sat 22:00+0100", "Sun 09:00+0100")),
        ("2026-11-29 12:00", None, ("Mon 23:00+0100", "Tue 07:00+0100")),
        ("2026-11-30 03:00", None, ("Mon 23:00+0100", "Tue 07:00+0100")),
    ],
)  # fmt: skip
def test_window_belongs_to_the_day_on_which_it_begins(
    clock: str, open_: tuple[str, str] | None, coming: tuple[str, str]
) -> None:
    settings = night(
        days={"friday": "22:00-09:00", "saturday": ["22:00-09:00", "13:00-15:00"], "sunday": "off"}
    )
    now = at(clock)
    assert window_text(settings, window_at(settings, now)) == open_
    assert window_text(settings, next_window(settings, now)) == coming


def test_windows_of_an_evening_are_one_night() -> None:
    settings = night(days={"saturday": ["22:00-09:00", "13:00-15:00"]})
    window = window_at(settings, at("2026-11-29 08:00"))
    assert window
    assert window.evening == date(2026, 11, 28)
    assert [w.seconds / H for w in evening_of(settings, window)] == [2.0, 11.0]


def test_window_closes_at_finish_by() -> None:
    settings = night(finish_by="06:30", days={"saturday": "13:00-15:00"})
    window = window_at(settings, at("2026-11-25 06:45"))
    assert window and (window.closes, window.end) == (
        at("2026-11-25 06:30"),
        at("2026-11-25 07:00"),
    )
    saturday = window_at(settings, at("2026-11-28 14:00"))
    assert saturday and saturday.closes == saturday.end


@pytest.mark.parametrize(
    ("zone", "start", "end", "day", "opens", "hours"),
    [
        # Spring: 02:00 to 03:00 is skipped on 29 March 2026.
        (BERLIN, "23:00", "07:00", "2026-03-28", "2026-03-28T22:00Z", 7.0),
        (BERLIN, "02:30", "05:00", "2026-03-29", "2026-03-29T01:00Z", 2.0),
        (BERLIN, "01:00", "02:30", "2026-03-29", "2026-03-29T00:00Z", 1.0),
        # Autumn: 02:00 to 03:00 comes twice on 25 October 2026.
        (BERLIN, "23:00", "07:00", "2026-10-24", "2026-10-24T21:00Z", 9.0),
        (BERLIN, "02:30", "05:00", "2026-10-25", "2026-10-25T00:30Z", 3.5),
        (BERLIN, "02:15", "02:45", "2026-10-25", "2026-10-25T00:15Z", 0.5),
        (BERLIN, "01:00", "02:30", "2026-10-25", "2026-10-24T23:00Z", 1.5),
        ("Asia/Tokyo", "02:30", "05:00", "2026-03-29", "2026-03-28T17:30Z", 2.5),
        # Half an hour: 02:00 becomes 02:30 on 4 October 2026.
        ("Australia/Lord_Howe", "02:15", "04:00", "2026-10-04", "2026-10-03T15:30Z", 1.5),
    ],
)
def test_window_occurs_once_when_the_clocks_change(
    zone: str, start: str, end: str, day: str, opens: str, hours: float
) -> None:
    settings = night(timezone=zone, start=start, end=end)
    found = [
        w
        for w in windows(settings, at(f"{day} 00:00", zone) - 3 * 24 * H)
        if w.evening == date.fromisoformat(day)
    ]
    assert [(datetime.fromtimestamp(w.opens, UTC), w.seconds / H) for w in found] == [
        (datetime.fromisoformat(opens), hours)
    ]


def test_window_within_a_skipped_hour_occurs_the_next_day() -> None:
    settings = night(start="02:10", end="02:50")
    coming = next_window(settings, at("2026-03-28 12:00"))
    assert window_text(settings, coming) == ("Mon 02:10+0200", "Mon 02:50+0200")


def test_skipped_day_has_no_windows() -> None:
    settings = night(timezone="Pacific/Apia", start="09:00", end="17:00")
    found = [w.evening.day for w in windows(settings, at("2011-12-28 20:00", "Pacific/Apia"))][:3]
    assert found == [29, 31, 1]


def test_default_time_zone_is_the_computers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import tzlocal

    from nightschool.config.night import _system_zone

    monkeypatch.setattr(tzlocal, "reload_localzone", lambda: ZoneInfo("Asia/Tokyo"))
    _system_zone.cache_clear()
    assert local(night(timezone=""), at("2026-11-24 12:00")).hour == 20

    def contradiction() -> None:
        raise KeyError("two files that differ")

    _system_zone.cache_clear()
    assert zone_of(night(timezone="")) is not None
    _system_zone.cache_clear()


spans = st.tuples(st.integers(0, 1439), st.integers(1, 1439)).map(
    lambda pair: "-".join(
        f"{minute // 60 % 24:02}:{minute % 60:02}" for minute in (pair[0], pair[0] + pair[1])
    )
)
weeks = st.dictionaries(
    st.sampled_from(WEEKDAYS),
    st.one_of(st.just("off"), spans, st.lists(spans, min_size=1, max_size=3)),
)
zones = st.sampled_from([BERLIN, "Asia/Tokyo", "Australia/Lord_Howe", "America/St_Johns", "UTC"])


@given(weeks, zones, st.integers(0, 2 * 365 * 24 * 60))
def test_windows_never_overlap(days: dict[str, Any], zone: str, minute: int) -> None:
    try:
        settings = NightSettings.model_validate(
            {"timezone": zone, "start": "23:00", "end": "00:30", "days": days}
        )
    except ValidationError:
        assume(False)
        raise
    now = at("2026-01-01 00:00") + 60 * minute
    found = list(windows(settings, now))
    assert found and found[0].end > now
    for window, after in pairwise(found):
        assert window.opens < window.closes <= window.end <= after.opens
    for window in found[:3]:
        assert window_at(settings, window.opens) == window
        assert window_at(settings, window.end - 1) == window
        assert window_at(settings, window.end) != window
        assert next_window(settings, window.opens - 1) == window
        assert window in evening_of(settings, window)
        shown = local(settings, window.opens)
        written = {
            f"{start // 60:02}:{start % 60:02}"
            for start, _ in settings.week[window.evening.weekday()]
        }
        gap = (shown - timedelta(seconds=1)).astimezone(UTC).astimezone(shown.tzinfo)
        assert f"{shown:%H:%M}" in written or gap.utcoffset() != shown.utcoffset()
