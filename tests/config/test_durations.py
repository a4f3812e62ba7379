"""Durations as text."""

from __future__ import annotations

import pytest

from nightschool.config.durations import format_duration


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0.2, "0 s"), (41.6, "42 s"), (59.6, "1 min"), (98, "1 min 38 s"), (725, "12 min"),
        (2700, "45 min"), (4020, "1 h 7 min"), (5880, "1 h 38 min"), (7200, "2 h"), (7180, "2 h"),
        (90000, "25 h"),
    ],
)  # fmt: skip
def test_durations_as_text(time: float, text: str) -> None:
    assert format_duration(time) == text
