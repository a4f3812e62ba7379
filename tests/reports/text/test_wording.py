"""Numbers read as a person writes them, and round without flattering."""

import sys
import time
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.config.settings import LadderArm
from nightschool.reports.text import wording
from nightschool.stats.terms import ArmName


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(0, "0 %"), (0.145, "15 %"), (0.784, "78 %"), (1, "100 %"), (0.998, "99 %"), (0.001, "1 %")],
)
def test_percent_rounds_half_up_and_keeps_0_and_100_for_none_and_all(
    fraction: float, expected: str
) -> None:
    assert wording.percent(fraction) == expected


@given(st.floats(0, 1), st.floats(0, 1))
def test_percent_keeps_the_order_of_two_fractions(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert wording.whole_percent(low) <= wording.whole_percent(high)


@given(st.floats(-1, 1))
def test_a_gain_and_a_loss_of_the_same_size_read_the_same(difference: float) -> None:
    assert wording.points(difference) == -wording.points(-difference)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.signed(34), "+34"),
        (wording.signed(-4), "\N{MINUS SIGN}4"),
        (wording.interval([0.34, 0.62]), "34 to 62 %"),
        (wording.score_interval([0.344, 0.62]), "0.34 to 0.62"),
        (wording.fine_percent(0.9499), "94.9 %"),
        (wording.fine_percent(0.95), "95 %"),
        (wording.fine_percent(1.0), "99.9 %"),
        (wording.fine_percent(0.0), "0 %"),
        (wording.hundredths(0.312), "+0.31"),
        (wording.hundredths(-0.045), "\N{MINUS SIGN}0.05"),
        (wording.hundredths(0.001), "0.00"),
        (wording.p_value(0.0002), "p < 0.001"),
        (wording.p_value(0.0123), "p = 0.012"),
        (wording.local_moment("not a time"), "not a time"),
        (wording.local_zone("not a time"), ""),
    ],
)
def test_wording(said: str, expected: str) -> None:
    assert said == expected


def test_times_are_shown_in_this_computers_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no tzset")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert wording.local_moment("2026-11-24T03:00:00+00:00") == "2026-11-24 12:00"
        assert wording.local_zone("2026-11-24T03:00:00+00:00") == "UTC+09:00"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_every_arm_that_can_be_measured_has_a_title_of_its_own() -> None:
    names = list(ArmName)
    assert set(wording.ARM_TITLES) == set(names) == {*get_args(LadderArm), "before", "after"}
    assert len({wording.arm_title(name) for name in names}) == len(names)
