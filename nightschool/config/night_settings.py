"""The settings of the night: when `run --tonight` may train, and what has to be so."""

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
"""From one minute to another, counted from the midnight on which its day begins; may pass the next."""

_TIME = r"([01][0-9]|2[0-3]):([0-5][0-9])"
_WINDOW = rf"{_TIME}\s*-\s*({_TIME}|24:00)"
_EXPECTED = 'expected a window like "22:00-09:00", a list of such, or "off"'


def _of_a_day(value: Any) -> str | list[str]:
    """Check what is written for a weekday; all of it is one string, or strings in a list."""
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
                f'"{text}" has no length: write "00:00-24:00" for a whole day, "off" for none'
            )
    return value  # type: ignore[no-any-return]


Day = Annotated[str | list[str], PlainValidator(_of_a_day)]
Choice = Literal["wait", "train"]


class DaySettings(Section):
    """Windows of single weekdays. A window belongs to the day on which it begins."""

    monday: Day = Field(
        "", description='as "22:00-09:00", ["22:00-09:00", "13:00-15:00"], "off"; "": start to end'
    )
    tuesday: Day = Field("", description="")
    wednesday: Day = Field("", description="")
    thursday: Day = Field("", description="")
    friday: Day = Field("", description="")
    saturday: Day = Field("", description="")
    sunday: Day = Field("", description="")


class NightSettings(Section):
    """When `run --tonight` may train, and what has to be so. docs/nights.md tells each rule."""

    start: str = Field("23:00", description="local time")
    end: str = Field("07:00", description="local time; may lie past midnight")
    timezone: str = Field("", description='as "Europe/Berlin"; "": the computer\'s')
    finish_by: str = Field(
        "", description='as "06:30": over by then, though a window stays open; "": at its end'
    )
    max_hours: float = Field(0.0, ge=0, le=24, description="hours of work a night; 0: no limit")
    idle_minutes: float = Field(
        10.0,
        ge=0,
        le=DAY_MINUTES,
        description="how long ago the owner's last input has to be; 0: no matter",
    )
    quiet_minutes: float = Field(
        5.0, ge=0, le=DAY_MINUTES, description="what stopped the work has to be over for so long"
    )
    starts_per_hour: int = Field(6, ge=1, description="how often it goes on again at most")
    on_battery: bool = Field(False, description="true trains without the plug, too")
    min_battery: float = Field(
        50.0, ge=0, le=100, description="on battery: per cent of charge that it needs"
    )
    gpu: Literal["alone", "shared"] = Field(
        "alone", description="shared trains beside other programs that use the GPU"
    )
    max_temperature: float = Field(
        87.0, ge=0, description="the GPU's, in degrees Celsius; above it stops; 0: no limit"
    )
    resume_temperature: float = Field(
        75.0, ge=0, description="and goes on again when it has cooled down to this"
    )
    exclusive: list[Annotated[str, Field(min_length=1)]] = Field(
        [], description='programs beside which it does not train, as ["game.exe"]'
    )
    max_cpu_load: float = Field(
        50.0, gt=0, le=100, description="per cent of all cores, by other programs; 100: no limit"
    )
    min_disk_gb: float = Field(2.0, ge=0, description="free where the school lies")
    if_presenting: Choice = Field(
        "wait", description="where a program keeps the screen on (a film, a talk, a call)"
    )
    if_idle_unknown: Choice = Field(
        "wait", description="where nothing tells when the last input was"
    )
    if_power_unknown: Choice = Field("wait", description="where nothing tells if it is plugged in")
    if_gpu_unknown: Choice = Field("wait", description="where nothing tells who uses the GPU")
    if_presenting_unknown: Choice = Field("train", description="where nothing tells of the screen")
    days: DaySettings = DaySettings()

    @functools.cached_property
    def week(self) -> tuple[tuple[Span, ...], ...]:
        """The windows that begin on each weekday, Monday's first, in order."""
        usual = f"{self.start}-{self.end}"
        return tuple(_spans(getattr(self.days, day) or usual) for day in WEEKDAYS)

    @field_validator("start", "end", "finish_by")
    @classmethod
    def _is_a_time(cls, value: str, info: ValidationInfo) -> str:
        if not re.fullmatch(_TIME, value, re.ASCII) and (value or info.field_name != "finish_by"):
            raise ValueError('expected a time like "23:00"')
        return value

    @field_validator("timezone")
    @classmethod
    def _is_a_time_zone(cls, value: str) -> str:
        try:
            return value if not value else ZoneInfo(value).key
        except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError
            near = difflib.get_close_matches(value, available_timezones(), n=1, cutoff=0.6)
            hint = f'did you mean "{near[0]}"?' if near else 'write it like "Europe/Berlin"'
            raise ValueError(f"there is no such time zone: {hint}") from None

    @model_validator(mode="after")
    def _fits_together(self) -> NightSettings:
        if self.start == self.end:
            raise ValueError("start and end are the same time: the window has no length")
        if self.max_temperature and self.resume_temperature >= self.max_temperature:
            raise ValueError(
                f"resume_temperature ({self.resume_temperature:g}) has to be below "
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
            raise ValueError("every day is off: no window is left (`nightschool pause` stops all)")
        first = placed[0]
        after = [*placed[1:], (first[0] + WEEK_MINUTES, first[1] + WEEK_MINUTES, first[2])]
        for (_, end, name), (start, _, other) in zip(placed, after, strict=True):
            if start < end:
                raise ValueError(f"{name} and {other} overlap: write them as one, or apart")
        if self.finish_by and not any(
            finish_in(span, self.finish_by) for spans in self.week for span in spans
        ):
            raise ValueError(f"finish_by = {self.finish_by} lies outside every window")


def _spans(written: str | list[str]) -> tuple[Span, ...]:
    if written == "off":
        return ()
    return tuple(sorted(map(_span, [written] if isinstance(written, str) else written)))


@functools.lru_cache(maxsize=64)
def _span(text: str) -> Span:
    start, end = (minutes(part.strip()) for part in text.split("-"))
    return start, end if end > start else end + DAY_MINUTES


def finish_in(span: Span, finish_by: str) -> int | None:
    """The minute of `finish_by` within a window, counted as the window's; None: it lies outside."""
    if not finish_by:
        return None
    at = minutes(finish_by)
    return next((minute for minute in (at, at + DAY_MINUTES) if span[0] < minute <= span[1]), None)


def minutes(time: str) -> int:
    """Minutes since midnight of a time like "23:00"."""
    hours, rest = time.split(":")
    return int(hours) * 60 + int(rest)


def clock(minute: int) -> str:
    """The time of a minute, as "07:00"."""
    return f"{minute // 60 % 24:02}:{minute % 60:02}"
