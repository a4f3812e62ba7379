"""The settings of the night: when `run --tonight` may train, and under which conditions."""

from __future__ import annotations

import difflib
import functools
import re
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, PlainValidator, ValidationInfo, field_validator, model_validator

from nightschool.config.section import Section

DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
Span = tuple[int, int]
"""First and last minute, counted from the midnight at which the day begins; may go past the next."""

_TIME = r"([01][0-9]|2[0-3]):([0-5][0-9])"
_WINDOW = rf"{_TIME}\s*-\s*({_TIME}|24:00)"
_EXPECTED = 'expected a window like "22:00-09:00", a list of windows, or "off"'


def _check_day(value: Any) -> str | list[str]:
    """Check the value for a weekday: a string, or a list of strings."""
    if value in ("", "off"):
        return str(value)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts:
        raise ValueError(_EXPECTED)
    for text in texts:
        if not isinstance(text, str) or not re.fullmatch(_WINDOW, text, re.ASCII):
            raise ValueError(_EXPECTED)
        start, _, end = text.partition("-")
        if start.strip() == end.strip():
            raise ValueError(
                f'"{text}" is empty: write "00:00-24:00" for a whole day, "off" for no window'
            )
    return value  # type: ignore[no-any-return]


Day = Annotated[str | list[str], PlainValidator(_check_day)]
WaitOrTrain = Literal["wait", "train"]


class DaySettings(Section):
    """Windows of individual weekdays. A window belongs to the day on which it begins."""

    monday: Day = Field(
        "", description='"22:00-09:00", ["22:00-09:00", "13:00-15:00"] or "off"; "": start to end'
    )
    tuesday: Day = Field("", description="")
    wednesday: Day = Field("", description="")
    thursday: Day = Field("", description="")
    friday: Day = Field("", description="")
    saturday: Day = Field("", description="")
    sunday: Day = Field("", description="")


class NightSettings(Section):
    """When `run --tonight` may train, and under which conditions. docs/nights.md explains each rule."""

    start: str = Field("23:00", description="start of the window, local time")
    end: str = Field("07:00", description="end of the window, local time, may be after midnight")
    timezone: str = Field("", description='time zone, such as "Europe/Berlin"; "": the computer\'s')
    finish_by: str = Field(
        "", description='deadline within a window, such as "06:30"; "": the end of the window'
    )
    max_hours: float = Field(
        0.0, ge=0, le=24, description="maximum hours of work per night; 0: no limit"
    )
    idle_minutes: float = Field(
        10.0,
        ge=0,
        le=DAY_MINUTES,
        description="minutes without input before work starts; 0: work while you use the computer",
    )
    quiet_minutes: float = Field(
        5.0, ge=0, le=DAY_MINUTES, description="minutes all clear before work resumes"
    )
    starts_per_hour: int = Field(6, ge=1, description="maximum resumes per hour")
    on_battery: bool = Field(False, description="whether to train on battery power")
    min_battery: float = Field(
        50.0, ge=0, le=100, description="minimum battery charge in percent, on battery power"
    )
    gpu: Literal["alone", "shared"] = Field(
        "alone", description="whether to train while other programs use the GPU"
    )
    max_temperature: float = Field(
        87.0, ge=0, description="GPU temperature in °C above which work stops; 0: no limit"
    )
    resume_temperature: float = Field(
        75.0, ge=0, description="GPU temperature in °C at which work resumes"
    )
    exclusive: list[Annotated[str, Field(min_length=1)]] = Field(
        [], description='programs that stop work while they run, such as ["game.exe"]'
    )
    max_cpu_load: float = Field(
        50.0,
        gt=0,
        le=100,
        description="maximum CPU load of other programs, in percent of all cores; 100: no limit",
    )
    min_disk_gb: float = Field(2.0, ge=0, description="minimum free disk space in GB")
    if_presenting: WaitOrTrain = Field(
        "wait", description="while a program keeps the screen on (film, talk, call)"
    )
    if_idle_unknown: WaitOrTrain = Field(
        "wait", description="if the time of the last input is unknown"
    )
    if_power_unknown: WaitOrTrain = Field(
        "wait", description="if it is unknown whether the computer is plugged in"
    )
    if_gpu_unknown: WaitOrTrain = Field("wait", description="if it is unknown who uses the GPU")
    if_presenting_unknown: WaitOrTrain = Field(
        "train", description="if it is unknown whether a program keeps the screen on"
    )
    days: DaySettings = DaySettings()

    @functools.cached_property
    def week(self) -> tuple[tuple[Span, ...], ...]:
        """The windows that begin on each weekday, Monday's first, in order."""
        usual = f"{self.start}-{self.end}"
        return tuple(_spans(getattr(self.days, day) or usual) for day in WEEKDAYS)

    @field_validator("start", "end", "finish_by")
    @classmethod
    def _check_time(cls, value: str, info: ValidationInfo) -> str:
        if not re.fullmatch(_TIME, value, re.ASCII) and (value or info.field_name != "finish_by"):
            raise ValueError('expected a time like "23:00"')
        return value

    @field_validator("timezone")
    @classmethod
    def _check_time_zone(cls, value: str) -> str:
        try:
            return value if not value else ZoneInfo(value).key
        except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError
            near = difflib.get_close_matches(value, available_timezones(), n=1, cutoff=0.6)
            hint = f'did you mean "{near[0]}"?' if near else 'write a name like "Europe/Berlin"'
            raise ValueError(f"unknown time zone: {hint}") from None

    @model_validator(mode="after")
    def _check_together(self) -> NightSettings:
        if self.start == self.end:
            raise ValueError("start and end are equal: the window is empty")
        if self.max_temperature and self.resume_temperature >= self.max_temperature:
            raise ValueError(
                f"resume_temperature ({self.resume_temperature:g}) must be below "
                f"max_temperature ({self.max_temperature:g})"
            )
        self._check_week()
        return self

    def _check_week(self) -> None:
        placed = [
            (
                number * DAY_MINUTES + start,
                number * DAY_MINUTES + end,
                f"{day}'s {clock(start)}-{clock(end)}",
            )
            for number, (day, spans) in enumerate(zip(WEEKDAYS, self.week, strict=True))
            for start, end in spans
        ]
        if not placed:
            raise ValueError(
                "every day is off: leave one window, or use `nightschool pause` to stop all work"
            )
        first = placed[0]
        after = [*placed[1:], (first[0] + WEEK_MINUTES, first[1] + WEEK_MINUTES, first[2])]
        for (_, end, name), (start, _, other) in zip(placed, after, strict=True):
            if start < end:
                raise ValueError(f"{name} and {other} overlap: merge or separate them")
        if self.finish_by and not any(
            finish_in(span, self.finish_by) for spans in self.week for span in spans
        ):
            raise ValueError(f"finish_by = {self.finish_by} is outside every window")


def _spans(value: str | list[str]) -> tuple[Span, ...]:
    if value == "off":
        return ()
    return tuple(sorted(map(_span, [value] if isinstance(value, str) else value)))


@functools.lru_cache(maxsize=64)
def _span(text: str) -> Span:
    start, end = (minutes(part.strip()) for part in text.split("-"))
    return start, end if end > start else end + DAY_MINUTES


def finish_in(span: Span, finish_by: str) -> int | None:
    """The minute of `finish_by` within a window, counted as the window's are; None: it is outside."""
    if not finish_by:
        return None
    at = minutes(finish_by)
    return next((minute for minute in (at, at + DAY_MINUTES) if span[0] < minute <= span[1]), None)


def minutes(time: str) -> int:
    """Minutes since midnight of a time like "23:00"."""
    hours, rest = time.split(":")
    return int(hours) * 60 + int(rest)


def clock(minute: int) -> str:
    """A minute of the day in the form "07:00"."""
    return f"{minute // 60 % 24:02}:{minute % 60:02}"
