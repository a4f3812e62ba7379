from __future__ import annotations

from datetime import datetime

import pytest

from nightschool.config.night import left_s, length_s
from nightschool.config.settings import NightSettings

NIGHT = NightSettings(start="23:00", end="07:00")
DAY = NightSettings(start="09:00", end="17:00")


@pytest.mark.parametrize(
    ("night", "clock", "hours"),
    [
        (NIGHT, "12:00", 8.0),
        (NIGHT, "22:59", 8.0),
        (NIGHT, "23:00", 8.0),
        (NIGHT, "23:30", 7.5),
        (NIGHT, "06:00", 1.0),
        (NIGHT, "07:00", 8.0),
        (DAY, "12:00", 5.0),
        (DAY, "20:00", 8.0),
    ],
)
def test_what_is_left_of_the_night(night: NightSettings, clock: str, hours: float) -> None:
    now = datetime.fromisoformat(f"2026-11-24 {clock}")
    assert left_s(night, now) == pytest.approx(hours * 3600)


def test_a_night_has_a_length() -> None:
    assert (length_s(NIGHT), length_s(DAY)) == (8 * 3600, 8 * 3600)
    assert length_s(NightSettings(start="00:00", end="00:30")) == 1800
