"""The settings of the night and the errors in them."""

from __future__ import annotations

import pytest

from nightschool.config.night_settings import WEEKDAYS
from tests.config.conftest import checked, problems


@pytest.mark.parametrize(
    "time", ["7:00", "24:00", "23:60", "23", "23:00:00", "", "７:００", "0７:00"]
)
@pytest.mark.parametrize("key", ["start", "end"])
def test_an_invalid_time_is_reported(key: str, time: str) -> None:
    assert problems(f'[night]\n{key} = "{time}"') == [
        f'file, line 2: `night.{key}` = "{time}": expected a time like "23:00"'
    ]


@pytest.mark.parametrize("text", ['[night]\nstart = "07:00"', '[night]\nend = "23:00"'])
def test_an_empty_window_is_reported(text: str) -> None:
    assert problems(text) == ["file, line 1: `night`: start and end are equal: the window is empty"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "fryday = '22:00-09:00'",
            "unknown setting `night.days.fryday`: did you mean `night.days.friday`?",
        ),
        *(
            (
                f"friday = {written}",
                f"`night.days.friday` = {written}: "
                'expected a window like "22:00-09:00", a list of windows, or "off"',
            )
            for written in (
                '"22-09"',
                '"24:00-01:00"',
                '"22:00"',
                "[]",
                "7",
                '"OFF"',
                "[[]]",
                '["off"]',
            )
        ),
        (
            'friday = "22:00-22:00"',
            '`night.days.friday` = "22:00-22:00": "22:00-22:00" is empty: '
            'write "00:00-24:00" for a whole day, "off" for no window',
        ),
    ],
)
def test_an_invalid_window_of_a_weekday_is_reported(text: str, message: str) -> None:
    assert problems(f"[night.days]\n{text}") == [f"file, line 2: {message}"]


@pytest.mark.parametrize(
    ("days", "message"),
    [
        (
            'friday = "22:00-02:00"\nsaturday = "00:00-01:00"',
            "friday's 22:00-02:00 and saturday's 00:00-01:00 overlap: merge or separate them",
        ),
        (
            'friday = ["22:00-23:30", "23:00-23:45"]',
            "friday's 22:00-23:30 and friday's 23:00-23:45 overlap: merge or separate them",
        ),
        (
            'sunday = "22:00-10:00"\nmonday = "09:00-12:00"',
            "sunday's 22:00-10:00 and monday's 09:00-12:00 overlap: merge or separate them",
        ),
        (
            'tuesday = "06:00-08:00"',
            "monday's 23:00-07:00 and tuesday's 06:00-08:00 overlap: merge or separate them",
        ),
        (
            "\n".join(f'{day} = "off"' for day in WEEKDAYS),
            "every day is off: leave one window, or use `nightschool pause` to stop all work",
        ),
    ],
)
def test_conflicting_windows_are_reported(days: str, message: str) -> None:
    assert problems(f"[night.days]\n{days}") == [f"file, line 2: `night`: {message}"]


def test_adjacent_windows_and_whole_days_are_valid() -> None:
    night = checked(
        '[night.days]\nmonday = "00:00-24:00"\ntuesday = ["00:00-02:00", "02:00-03:00"]\n'
        'sunday = "off"'
    ).night
    assert night.week[:2] == (((0, 1440),), ((0, 120), (120, 180)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('timezone = "Europe/Berln"', 'unknown time zone: did you mean "Europe/Berlin"?'),
        ('timezone = "Europe"', "unknown time zone: "),
        ('timezone = "../etc/passwd"', 'unknown time zone: write a name like "Europe/Berlin"'),
        ('finish_by = "6:30"', 'expected a time like "23:00"'),
        ('finish_by = "12:00"', "finish_by = 12:00 is outside every window"),
        ('finish_by = "23:00"', "finish_by = 23:00 is outside every window"),
        (
            "resume_temperature = 90.0",
            "resume_temperature (90) must be below max_temperature (87)",
        ),
        ("starts_per_hour = 0", "should be greater than or equal to 1"),
        ("min_battery = 101", "should be less than or equal to 100"),
        ("idle_minutes = -1", "should be greater than or equal to 0"),
        ("max_hours = 25", "should be less than or equal to 24"),
        ('exclusive = [""]', "should have at least 1 character"),
        ('gpu = "mine"', "should be 'alone' or 'shared'"),
        ('if_idle_unknown = "no"', "should be 'wait' or 'train'"),
    ],
)
def test_an_invalid_night_setting_is_reported_in_one_line(text: str, message: str) -> None:
    [problem] = problems(f"[night]\n{text}")
    assert message in problem
