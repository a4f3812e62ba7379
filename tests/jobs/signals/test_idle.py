"""The smallest of several idle times, and unknown if one of them is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nightschool.jobs.signals.idle import TERMINALS, smallest
from nightschool.jobs.signals.signal import Signal, unknown

idle_times = st.floats(0, 1e6)


@given(st.lists(idle_times, min_size=1))
def test_smallest_idle_time_wins(values: list[float]) -> None:
    sources = [Signal(value, str(index)) for index, value in enumerate(values)]
    result = smallest(sources, up_s=1e6)
    assert result.value == min(values)
    assert values[int(result.source)] == result.value


@given(st.lists(idle_times), st.integers(0))
def test_unknown_source_makes_idle_unknown(values: list[float], place: int) -> None:
    sources: list[Signal[float]] = [Signal(value, "x") for value in values]
    sources.insert(place % (len(sources) + 1), unknown("desktop", "silent"))
    assert smallest(sources, up_s=1e6) == unknown("desktop", "silent")


def test_idle_time_longer_than_the_uptime_is_unknown() -> None:
    garbage = smallest([Signal(2.0**32 / 1000, "ScreenSaver")], up_s=3600)
    assert (garbage.value, garbage.source) == (None, "ScreenSaver")
    assert "more than the computer's uptime" in garbage.remark


def test_terminal_time_may_exceed_the_uptime() -> None:
    assert smallest([Signal(9e9, f"{TERMINALS} /dev/pts/1")], up_s=60).value == 9e9
